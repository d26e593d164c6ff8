import type { CatalogWire } from '@tunan/contracts';
import type { Pool } from 'pg';

/** Inserts one row; members are columns. */
export const insertRow = async (
  pool: Pool,
  table: string,
  row: Readonly<Record<string, unknown>>,
): Promise<void> => {
  const columns = Object.keys(row);
  const places = columns.map((_, index) => `$${index + 1}`);
  await pool.query(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places.join(', ')})`,
    Object.values(row),
  );
};

/** Stores a catalog snapshot and makes it the active one; returns its version. */
export const activateCatalog = async (pool: Pool, body: CatalogWire): Promise<number> => {
  const { rows } = await pool.query<{ version: bigint }>(
    'INSERT INTO catalog_snapshot (body) VALUES ($1) RETURNING version',
    [JSON.stringify(body)],
  );
  await pool.query(
    `INSERT INTO catalog_active (version) VALUES ($1) ON CONFLICT (singleton) DO UPDATE SET version = excluded.version`,
    [rows[0]!.version],
  );
  return Number(rows[0]!.version);
};
