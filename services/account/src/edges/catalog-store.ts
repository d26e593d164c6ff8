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

/** A snapshot in a list. */
export interface SnapshotSummary {
  readonly version: number;
  readonly active: boolean;
  readonly note: string;
  readonly createdAt: Date;
}

/** A snapshot as it is stored. */
export interface StoredSnapshot extends SnapshotSummary {
  readonly body: CatalogWire;
}

interface SnapshotRow {
  readonly version: bigint;
  readonly active: boolean;
  readonly note: string;
  readonly created_at: Date;
}

const toSummary = (row: SnapshotRow): SnapshotSummary => ({
  version: Number(row.version),
  active: row.active,
  note: row.note,
  createdAt: row.created_at,
});

const SUMMARY = `s.version, s.note, s.created_at, s.version = (SELECT version FROM catalog_active) AS active`;

const ACTIVATE = `
INSERT INTO catalog_active (version) VALUES ($1)
ON CONFLICT (singleton) DO UPDATE SET version = excluded.version`;

/** Key of the advisory lock that lets one process at a time change what is active: the ASCII codes of "tunancat". */
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
      await transaction.query(ACTIVATE, [stored!.version]);
      return stored!.version;
    });
  }

  /** A snapshot by number, or the active one; undefined if there is none. */
  async find(version: number | null): Promise<StoredSnapshot | undefined> {
    const [row] = await this.database.query<SnapshotRow & { body: CatalogWire }>(
      `SELECT ${SUMMARY}, s.body FROM catalog_snapshot s
       WHERE s.version = COALESCE($1::bigint, (SELECT version FROM catalog_active))`,
      [version],
    );
    return row === undefined ? undefined : { ...toSummary(row), body: row.body };
  }

  /** Snapshots, newest first, before a version. */
  async list(before: number | null, limit: number): Promise<readonly SnapshotSummary[]> {
    const rows = await this.database.query<SnapshotRow>(
      `SELECT ${SUMMARY} FROM catalog_snapshot s
       WHERE $1::bigint IS NULL OR s.version < $1 ORDER BY s.version DESC LIMIT $2`,
      [before, limit],
    );
    return rows.map(toSummary);
  }

  /**
   * Stores a snapshot and activates it. If the active one says the same, that stays: a call that is repeated does not
   * pile up versions.
   * @returns the version that is active then
   */
  activateNew(body: CatalogWire, note: string): Promise<number> {
    return this.database.transaction(async (transaction) => {
      await transaction.query('SELECT pg_advisory_xact_lock($1)', [SEED_LOCK]);
      const json = JSON.stringify(body);
      const [same] = await transaction.query<{ version: bigint }>(
        'SELECT version FROM catalog_active JOIN catalog_snapshot USING (version) WHERE body = $1::jsonb',
        [json],
      );
      if (same !== undefined) return Number(same.version);
      const [stored] = await transaction.query<{ version: bigint }>(
        'INSERT INTO catalog_snapshot (body, note) VALUES ($1, $2) RETURNING version',
        [json, note],
      );
      await transaction.query(ACTIVATE, [stored!.version]);
      return Number(stored!.version);
    });
  }

  /** Activates a snapshot that is stored. */
  async activate(version: number): Promise<number> {
    await this.database.transaction(async (transaction) => {
      await transaction.query('SELECT pg_advisory_xact_lock($1)', [SEED_LOCK]);
      await transaction.query(ACTIVATE, [version]);
    });
    return version;
  }
}
