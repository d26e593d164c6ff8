import { ConfigError } from '@tunan/config';
import type { Clock } from '@tunan/kernel';
import { createPool, EmbeddedPostgres, migrate, SchemaError, sqlState } from '@tunan/postgres';
import type { Health, Logger } from '@tunan/service-kit';
import type { Pool } from 'pg';
import type { DataDir } from './data-dir.js';
import type { Settings } from './settings.js';

const RETRY_MS = 1_000;

/** SQLSTATE classes that waiting does not mend: the login is refused, or there is no such database. */
const MISTAKEN_STATE = /^(28|3D)/;

/** The process's one connection pool, and the database behind it where mode embedded brings its own. */
export class Postgres {
  private constructor(
    readonly pool: Pool,
    private readonly embedded: EmbeddedPostgres | undefined,
  ) {}

  /**
   * Connects and brings the schema up to date. A configured database that can't be reached is waited for until the host
   * is told to stop; an embedded one that can't be started is an error, and does not stay behind.
   * @throws ConfigError if the database refuses the configured login
   * @throws SchemaError
   */
  static async open(
    settings: Settings['host'],
    dataDir: DataDir,
    context: PostgresContext,
  ): Promise<Postgres> {
    const embedded =
      settings.DATABASE_URL === undefined
        ? await EmbeddedPostgres.start({ dir: dataDir.folder('postgres') })
        : undefined;
    const url = embedded?.url ?? settings.DATABASE_URL!.reveal();
    const pool = createPool({
      url,
      connectionsMax: settings.DATABASE_CONNECTIONS_MAX,
      applicationName: 'tunan',
      onIdleError: ({ message }) => {
        if (!context.stopping()) context.logger.warn({ err: message }, 'database connection lost');
      },
    });
    const postgres = new Postgres(pool, embedded);
    try {
      const reach = () => (settings.MIGRATE_ON_START ? migrate(url) : pool.query('SELECT 1'));
      await reached(reach, embedded === undefined, context);
      return postgres;
    } catch (error) {
      await postgres.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
    await this.embedded?.stop();
  }
}

/** Tries until the database answers or the host is told to stop. */
const reached = async (
  reach: () => Promise<unknown>,
  waits: boolean,
  { health, logger, clock, stopping }: PostgresContext,
): Promise<void> => {
  const dependency = health.dependency('postgres');
  while (!stopping()) {
    try {
      await reach();
      return dependency.up();
    } catch (error) {
      const { message } = error as Error;
      if (MISTAKEN_STATE.test(sqlState(error) ?? '')) throw new ConfigError([`DATABASE_URL: ${message}`]);
      if (!waits || error instanceof SchemaError) throw error;
      dependency.down(message);
      logger.warn({ err: message }, 'database not reachable yet');
      await clock.sleep(RETRY_MS);
    }
  }
};

/** What opening the database needs from the host. */
export interface PostgresContext {
  readonly health: Health;
  readonly logger: Logger;
  readonly clock: Clock;
  /** True once the host was told to stop: waiting for a database then ends. */
  readonly stopping: () => boolean;
}
