import type { CatalogWire } from '@tunan/contracts';
import { catalog } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { CatalogDocumentError, parseCatalog } from './catalog-document.js';
import { soldBelowCost, type BelowCost } from './domain/below-cost.js';
import type { CatalogStore, SnapshotSummary, StoredSnapshot } from './edges/catalog-store.js';

/** What became of a wish to activate a catalog. */
export interface Activation {
  /** The version that is active now; null if nothing was done, because `belowCost` was not accepted. */
  readonly version: number | null;
  readonly belowCost: readonly BelowCost[];
}

/** Which catalog to activate. */
export type CatalogChoice =
  /** The text of a catalog file: stored as a new snapshot, unless it is what the active one says. */
  | { readonly document: string; readonly note: string }
  /** A snapshot that is stored. */
  | { readonly version: number };

/**
 * Shows and activates catalog snapshots. What is stored never changes: a price changes by activating another snapshot,
 * and requests that were admitted before are charged by theirs.
 */
export class Catalogs {
  constructor(private readonly store: CatalogStore) {}

  /**
   * A snapshot by number, or the active one.
   * @throws Fault `not_found`
   */
  async get(version: number | null): Promise<StoredSnapshot> {
    const found = await this.store.find(version);
    if (found !== undefined) return found;
    throw new Fault('not_found', version === null ? 'No catalog is active.' : `No catalog ${version}.`);
  }

  /** What the active catalog sells below cost. */
  async belowCost(): Promise<readonly BelowCost[]> {
    return soldBelowCost(catalog.parse((await this.get(null)).body));
  }

  /** Snapshots, newest first, before a version. */
  list(before: number | null, limit: number): Promise<readonly SnapshotSummary[]> {
    return this.store.list(before, limit);
  }

  /**
   * Activates a catalog, unless it would sell something below cost and that is not accepted. The edges follow within
   * seconds, as they poll.
   * @throws Fault `invalid_value` for a document that is no catalog, `not_found` for a version that is not stored
   */
  async activate(choice: CatalogChoice, acceptBelowCost: boolean): Promise<Activation> {
    const body = 'document' in choice ? read(choice.document) : (await this.get(choice.version)).body;
    const belowCost = soldBelowCost(catalog.parse(body));
    if (belowCost.length > 0 && !acceptBelowCost) return { version: null, belowCost };
    const version =
      'document' in choice
        ? await this.store.activateNew(body, choice.note)
        : await this.store.activate(choice.version);
    return { version, belowCost };
  }
}

const read = (document: string): CatalogWire => {
  try {
    return parseCatalog(document);
  } catch (error) {
    if (error instanceof CatalogDocumentError)
      throw new Fault('invalid_value', error.message, { param: 'document' });
    throw error;
  }
};
