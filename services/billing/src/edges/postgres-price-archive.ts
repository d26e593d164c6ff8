import { CatalogIndex, catalogSnapshot } from '@tunan/contracts';
import type { Pool } from 'pg';
import { PriceArchive } from '../ports/price-archive.js';

/** Catalog snapshots in Postgres. Nothing is remembered: who asks wants to know what is stored now. */
export class PostgresPriceArchive extends PriceArchive {
  constructor(private readonly pool: Pool) {
    super();
  }

  override async snapshot(version: number): Promise<CatalogIndex | undefined> {
    const { rows } = await this.pool.query<{ body: unknown }>(
      'SELECT body FROM catalog_snapshot WHERE version = $1',
      [version],
    );
    const read = catalogSnapshot.safeParse({ version, catalog: rows[0]?.body });
    return read.success ? new CatalogIndex(read.data) : undefined;
  }
}
