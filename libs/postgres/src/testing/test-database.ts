import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { Pool } from 'pg';
import { environment } from '@tunan/config';
import { migrate } from '../migrate.js';
import { createPool } from '../pool.js';
import { inTransaction } from '../transaction.js';
import { withDatabase } from './database-url.js';
import { sharedServer, TEMPLATE_DATABASE } from './shared-server.js';

/** A freshly migrated database that belongs to one test file. */
export interface TestDatabase {
  readonly url: string;
  readonly pool: Pool;
  /** Writes past the database's triggers, as only a hand or a defect could. */
  tamper(statement: string, ...values: unknown[]): Promise<void>;
  /** Closes the pool and drops the database, whoever is still connected to it. */
  drop(): Promise<void>;
}

/**
 * Creates a database with the current schema and nothing in it: on the server of `TEST_DATABASE_URL` or
 * `DATABASE_URL` if one is set (its user must be allowed to create databases; its own databases are left alone), else
 * on an embedded server that all test files of one run share and that ends with the run.
 */
export const createTestDatabase = async (): Promise<TestDatabase> => {
  const variables = environment();
  const external = variables['TEST_DATABASE_URL'] || variables['DATABASE_URL'];
  const serverUrl = external || (await sharedServer());
  const name = `tunan_test_${randomBytes(6).toString('hex')}`;
  const url = withDatabase(serverUrl, name);
  await onServer(
    serverUrl,
    external ? `CREATE DATABASE ${name}` : `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE_DATABASE}`,
  );
  await migrate(url);
  const pool = createPool({ url, applicationName: 'tunan-test' });
  return {
    url,
    pool,
    tamper: async (statement, ...values) => {
      const settings = { session_replication_role: 'replica' };
      await inTransaction(pool, (client) => client.query(statement, values), { settings });
    },
    drop: async () => {
      await pool.end();
      await onServer(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
};

const onServer = async (url: string, statement: string): Promise<void> => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
};
