import { catalogSnapshot, type CatalogSnapshot } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { databaseFault } from '@tunan/postgres';
import type { Pool } from 'pg';
import { CatalogSource } from '../ports/catalog-source.js';

/** The body, which is large, comes only if the version is another than the one that is known. */
const ACTIVE = `
SELECT version, CASE WHEN version IS DISTINCT FROM $1::bigint THEN body END AS body
FROM catalog_active JOIN catalog_snapshot USING (version)`;

const BY_VERSION = 'SELECT version, body FROM catalog_snapshot WHERE version = $1';

interface SnapshotRow {
  readonly version: bigint;
  readonly body: unknown;
}

/** Catalog snapshots in Postgres. */
export class PostgresCatalogSource extends CatalogSource {
  constructor(private readonly pool: Pool) {
    super();
  }

  override async active(knownVersion: number | null): Promise<CatalogSnapshot | 'unchanged' | null> {
    const row = await this.#row(ACTIVE, knownVersion);
    if (row === undefined) return null;
    return row.body === null ? 'unchanged' : fromRow(row);
  }

  override async byVersion(version: number): Promise<CatalogSnapshot | null> {
    const row = await this.#row(BY_VERSION, version);
    return row === undefined ? null : fromRow(row);
  }

  async #row(sql: string, version: number | null): Promise<SnapshotRow | undefined> {
    try {
      const { rows } = await this.pool.query<SnapshotRow>(sql, [version]);
      return rows[0];
    } catch (error) {
      throw databaseFault(error);
    }
  }
}

const fromRow = ({ version, body }: SnapshotRow): CatalogSnapshot => {
  const snapshot = catalogSnapshot.safeParse({ version: Number(version), catalog: body });
  if (snapshot.success) return snapshot.data;
  throw new Fault('internal_error', 'Internal error.', {
    internal: `catalog snapshot ${version} can't be read by this version: ${snapshot.error.message}`,
  });
};
