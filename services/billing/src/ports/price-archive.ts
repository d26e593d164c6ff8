import type { CatalogIndex } from '@tunan/contracts';

/** Every catalog snapshot there has been. */
export abstract class PriceArchive {
  /** The snapshot of this number; undefined if there is none that can be read. */
  abstract snapshot(version: number): Promise<CatalogIndex | undefined>;
}
