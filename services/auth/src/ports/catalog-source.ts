import type { CatalogSnapshot } from '@tunan/contracts';

/** Where catalog snapshots are kept. Every call is bounded in time and fails with a Fault. */
export abstract class CatalogSource {
  /** The active snapshot, `unchanged` if it is `knownVersion`, or null if none is active. */
  abstract active(knownVersion: number | null): Promise<CatalogSnapshot | 'unchanged' | null>;

  /** A snapshot by number, or null. */
  abstract byVersion(version: number): Promise<CatalogSnapshot | null>;
}
