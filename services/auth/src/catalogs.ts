import { CatalogIndex, type CatalogSnapshot } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import type { CatalogSource } from './ports/catalog-source.js';
import { PriceBook, type ModelTerms } from './ports/price-book.js';

/** Snapshots that are kept in memory. Running requests use the last few. */
const SNAPSHOTS_MAX = 32;

interface Entry {
  readonly snapshot: CatalogSnapshot;
  readonly index: CatalogIndex;
}

/**
 * Catalog snapshots: the active one, kept up to date by {@link poll}, and others by number. Snapshots never change,
 * so what was read once stays right while Postgres is away.
 */
export class Catalogs extends PriceBook {
  #active: Entry | undefined;
  readonly #byVersion = new Map<number, Entry>();
  readonly #loading = new Map<number, Promise<Entry | null>>();

  constructor(private readonly source: CatalogSource) {
    super();
  }

  /** The active snapshot; undefined before the first one was read. */
  get active(): CatalogIndex | undefined {
    return this.#active?.index;
  }

  /**
   * Looks whether another snapshot is active.
   * @returns true if it is
   * @throws Fault
   */
  async poll(): Promise<boolean> {
    const snapshot = await this.source.active(this.#active?.snapshot.version ?? null);
    if (snapshot === 'unchanged' || snapshot === null) return false;
    this.#active = this.#keep(snapshot);
    return true;
  }

  /**
   * The active snapshot if it is not `knownVersion`, or the one of a number; null if there is none to give.
   * @throws Fault `service_unavailable`
   */
  async snapshot(knownVersion: number | null, version: number | null): Promise<CatalogSnapshot | null> {
    if (version !== null)
      return (this.#byVersion.get(version) ?? (await this.#load(version)))?.snapshot ?? null;
    if (this.#active === undefined) await this.poll();
    return this.#active === undefined || this.#active.snapshot.version === knownVersion
      ? null
      : this.#active.snapshot;
  }

  override terms(catalogVersion: number, model: string): ModelTerms | Promise<ModelTerms> {
    const entry = this.#byVersion.get(catalogVersion);
    return entry === undefined ? this.#loadTerms(catalogVersion, model) : termsOf(entry, model);
  }

  async #loadTerms(catalogVersion: number, model: string): Promise<ModelTerms> {
    const entry = await this.#load(catalogVersion);
    if (entry !== null) return termsOf(entry, model);
    throw new Fault('internal_error', 'Internal error.', {
      internal: `no catalog snapshot ${catalogVersion}`,
    });
  }

  /** Reads a snapshot; those who ask for the same one share the read. */
  #load(version: number): Promise<Entry | null> {
    let loading = this.#loading.get(version);
    if (loading === undefined) {
      loading = this.source
        .byVersion(version)
        .then((snapshot) => (snapshot === null ? null : this.#keep(snapshot)))
        .finally(() => this.#loading.delete(version));
      this.#loading.set(version, loading);
    }
    return loading;
  }

  #keep(snapshot: CatalogSnapshot): Entry {
    const entry = { snapshot, index: new CatalogIndex(snapshot) };
    this.#byVersion.set(snapshot.version, entry);
    for (const version of this.#byVersion.keys()) {
      if (this.#byVersion.size <= SNAPSHOTS_MAX) break;
      if (version !== this.#active?.snapshot.version) this.#byVersion.delete(version);
    }
    return entry;
  }
}

const termsOf = ({ index }: Entry, id: string): ModelTerms => {
  const model = index.model(id);
  const price = index.price(id);
  if (model === undefined || price === undefined)
    throw new Fault('model_not_found', `The model ${id} does not exist.`, { param: 'model' });
  return { price, ceilingDefault: model.outputTokensDefault, contextTokens: model.contextTokens };
};
