import pg from 'pg';
import type { Client } from 'pg';
import type { DataSource as TypeOrmDataSource, Logger as TypeOrmLogger } from 'typeorm';
import { MIGRATIONS, type MigrationClass } from './migrations/index.js';

export interface MigrateOptions {
  /** The migrations that this build knows, oldest first. Another list is for tests. */
  readonly migrations?: readonly MigrationClass[];
  /** How long to wait while another process migrates. */
  readonly lockTimeoutMs?: number;
}

/** The schema is not one that this build can work with. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

/** Where TypeORM keeps what has been applied. */
const TABLE = 'schema_migration';

/** Key of the advisory lock: the ASCII codes of "tunansch", so that it meets no other application's by chance. */
const LOCK_KEY = '8391734845418726248';

const CONNECT_TIMEOUT_MS = 5_000;
const LOCK_TIMEOUT_MS = 60_000;

/**
 * Brings the schema up to date and returns the names of the migrations that it applied. Processes that start at the
 * same time take turns; each migration is one transaction. Needs a direct connection: a session lock does not
 * survive a transaction-level connection pooler.
 * @throws SchemaError if the database has migrations that this build does not know
 */
export const migrate = (url: string, options: MigrateOptions = {}): Promise<readonly string[]> =>
  withSchemaLock(url, options, async (client) => {
    const migrations = options.migrations ?? MIGRATIONS;
    const known = migrations.map((Migration) => new Migration().name);
    const applied = await appliedMigrations(client);
    const unknown = [...applied].filter((name) => !known.includes(name));
    if (unknown.length > 0)
      throw new SchemaError(
        `the database is newer than this build: it has ${unknown.join(', ')}, this build ends with ${known.at(-1) ?? 'nothing'}`,
      );
    // Nearly every start ends here, without the half second that loading TypeORM takes.
    if (known.every((name) => applied.has(name))) return [];
    return withDataSource(url, migrations, async (source) =>
      (await source.runMigrations({ transaction: 'each' })).map((migration) => migration.name),
    );
  });

/** Takes the newest applied migration back, data and all. For tests and for a developer's own database. */
export const revertLast = (url: string, options: MigrateOptions = {}): Promise<void> =>
  withSchemaLock(url, options, () =>
    withDataSource(url, options.migrations ?? MIGRATIONS, (source) =>
      source.undoLastMigration({ transaction: 'each' }),
    ),
  );

/** TypeORM prints failures to the console whatever its settings are. They are thrown as well: the caller reports them. */
const SILENT: TypeOrmLogger = {
  log: () => undefined,
  logMigration: () => undefined,
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
};

const appliedMigrations = async (client: Client): Promise<ReadonlySet<string>> => {
  const { rows: found } = await client.query<{ exists: boolean }>(
    'SELECT to_regclass($1) IS NOT NULL AS exists',
    [TABLE],
  );
  if (found[0]?.exists !== true) return new Set();
  const { rows } = await client.query<{ name: string }>(`SELECT name FROM ${TABLE}`);
  return new Set(rows.map((row) => row.name));
};

const withSchemaLock = async <T>(
  url: string,
  options: MigrateOptions,
  work: (client: Client) => Promise<T>,
): Promise<T> => {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'tunan-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    lock_timeout: options.lockTimeoutMs ?? LOCK_TIMEOUT_MS,
  });
  // A lost connection fails the query that is running; without a listener it would also end the process.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK_KEY]);
    return await work(client);
  } finally {
    // Ending the session releases the lock, also where the work failed half-way.
    await client.end();
  }
};

const withDataSource = async <T>(
  url: string,
  migrations: readonly MigrationClass[],
  work: (source: TypeOrmDataSource) => Promise<T>,
): Promise<T> => {
  const { DataSource } = await import('typeorm');
  const source = new DataSource({
    type: 'postgres',
    url,
    migrations: [...migrations],
    migrationsTableName: TABLE,
    installExtensions: false,
    logger: SILENT,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    extra: { max: 2 },
  });
  await source.initialize();
  try {
    return await work(source);
  } finally {
    await source.destroy();
  }
};
