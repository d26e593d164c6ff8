import type { CatalogWire } from '@tunan/contracts';
import { Fault, parseUsd, type Nano } from '@tunan/kernel';
import type { Database } from './database.js';

/** What accounts need of the active catalog. */
export interface CatalogTerms {
  /** Credit of a new account. */
  readonly signupGrant: Nano;
  /** Public model ids. */
  readonly models: ReadonlySet<string>;
}

/** Key of the advisory lock that lets one process seed: the ASCII codes of "tunancat". */
const SEED_LOCK = '8391734845417677172';

/** Catalog snapshots in Postgres. */
export class CatalogStore {
  constructor(private readonly database: Database) {}

  /**
   * Terms of the active catalog.
   * @throws Fault `service_unavailable` while there is none
   */
  async terms(): Promise<CatalogTerms> {
    const [row] = await this.database.query<{ grant: string; models: string[] }>(
      `SELECT body->>'signupGrant' AS grant, jsonb_path_query_array(body, '$.models[*].id') AS models
       FROM catalog_active JOIN catalog_snapshot USING (version)`,
    );
    if (row === undefined)
      throw new Fault('service_unavailable', 'The catalog is being loaded. Please retry.', {
        retryAfterMs: 1_000,
      });
    return { signupGrant: parseUsd(row.grant), models: new Set(row.models) };
  }

  /** True if there has never been a catalog. */
  async isEmpty(): Promise<boolean> {
    return (await this.database.query('SELECT 1 FROM catalog_snapshot LIMIT 1')).length === 0;
  }

  /**
   * Stores the first snapshot and activates it, unless there is one already. Processes that start together take turns.
   * @returns the version that was stored, or null if there was one already
   */
  seed(body: CatalogWire, note: string): Promise<bigint | null> {
    return this.database.transaction(async (transaction) => {
      await transaction.query('SELECT pg_advisory_xact_lock($1)', [SEED_LOCK]);
      if ((await transaction.query('SELECT 1 FROM catalog_snapshot LIMIT 1')).length > 0) return null;
      const [stored] = await transaction.query<{ version: bigint }>(
        'INSERT INTO catalog_snapshot (body, note) VALUES ($1, $2) RETURNING version',
        [JSON.stringify(body), note],
      );
      await transaction.query(
        `INSERT INTO catalog_active (version) VALUES ($1)
         ON CONFLICT (singleton) DO UPDATE SET version = excluded.version`,
        [stored!.version],
      );
      return stored!.version;
    });
  }
}
