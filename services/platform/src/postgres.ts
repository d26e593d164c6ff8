import type { Clock } from '@tunan/kernel';
import { createPool, EmbeddedPostgres, migrate, SchemaError } from '@tunan/postgres';
import type { Health, Logger } from '@tunan/service-kit';
import type { Pool } from 'pg';
import type { DataDir } from './data-dir.js';
import type { Settings } from './settings.js';

const RETRY_MS = 1_000;

/** The process's one connection pool, and the database behind it where mode embedded brings its own. */
export class Postgres {
  private constructor(
    readonly pool: Pool,
    private readonly embedded: EmbeddedPostgres | undefined,
  ) {}

  /**
   * Connects and brings the schema up to date. A configured database that can't be reached is waited for; an embedded
   * one that can't be started is an error.
   */
  static async open(
    settings: Settings['host'],
    dataDir: DataDir,
    context: PostgresContext,
  ): Promise<Postgres> {
    const { health, logger, clock } = context;
    const dependency = health.dependency('postgres');
    const embedded =
      settings.DATABASE_URL === undefined
        ? await EmbeddedPostgres.start({ dir: dataDir.folder('postgres') })
        : undefined;
    const url = embedded?.url ?? settings.DATABASE_URL!.reveal();
    while (settings.MIGRATE_ON_START && !context.stopping()) {
      try {
        await migrate(url);
        break;
      } catch (error) {
        if (embedded !== undefined || error instanceof SchemaError) throw error;
        const { message } = error as Error;
        dependency.down(message);
        logger.warn({ err: message }, 'database not reachable yet');
        await clock.sleep(RETRY_MS);
      }
    }
    dependency.up();
    const pool = createPool({
      url,
      connectionsMax: settings.DATABASE_CONNECTIONS_MAX,
      applicationName: 'tunan',
      onIdleError: (error) => logger.warn({ err: error.message }, 'database connection lost'),
    });
    return new Postgres(pool, embedded);
  }

  async close(): Promise<void> {
    await this.pool.end();
    await this.embedded?.stop();
  }
}

/** What opening the database needs from the host. */
export interface PostgresContext {
  readonly health: Health;
  readonly logger: Logger;
  readonly clock: Clock;
  /** True once the host was told to stop: waiting for a database then ends. */
  readonly stopping: () => boolean;
}
