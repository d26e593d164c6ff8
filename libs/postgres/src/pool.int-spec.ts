import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createPool, type PoolOptions } from './pool.js';
import { createTestDatabase, type TestDatabase } from './testing/index.js';

describe('createPool', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  const withPool = async <T>(
    options: Partial<PoolOptions>,
    work: (pool: pg.Pool) => Promise<T>,
  ): Promise<T> => {
    const pool = createPool({ url: database.url, applicationName: 'pool-spec', ...options });
    try {
      return await work(pool);
    } finally {
      await pool.end();
    }
  };

  // Guarantee: no 64-bit amount ever passes through a float.
  it('reads 64-bit integers as bigint, alone and in arrays', () =>
    withPool({}, async (pool) => {
      const { rows } = await pool.query(
        'SELECT 9223372036854775807::bigint AS one, ARRAY[1, NULL, -2]::bigint[] AS many, 7::int AS small',
      );
      expect(rows[0]).toEqual({ one: 9_223_372_036_854_775_807n, many: [1n, null, -2n], small: 7 });
    }));

  it('leaves the parsers of other users of the driver alone', async () => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query('SELECT 1::bigint AS one');
    await client.end();
    expect(rows[0]).toEqual({ one: '1' });
  });

  it('refuses callers beyond the waiting line at once', () =>
    withPool({ connectionsMax: 1, waitersMax: 1 }, async (pool) => {
      const holder = await pool.connect();
      const waiter = pool.connect();
      await expect(pool.connect()).rejects.toMatchObject({ code: 'service_unavailable' });
      await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: 'service_unavailable' });
      holder.release();
      (await waiter).release();
    }));

  it('gives up waiting for a connection after its bound', () =>
    withPool({ connectionsMax: 1, connectTimeoutMs: 50 }, async (pool) => {
      const holder = await pool.connect();
      await expect(pool.query('SELECT 1')).rejects.toThrow('timeout exceeded');
      holder.release();
    }));

  it('ends a statement after its bound', () =>
    withPool({ statementTimeoutMs: 50 }, async (pool) => {
      await expect(pool.query('SELECT pg_sleep(10)')).rejects.toMatchObject({ code: '57014' });
    }));

  it('ends the wait for a lock after its bound', () =>
    withPool({ lockTimeoutMs: 50 }, async (pool) => {
      const holder = await pool.connect();
      await holder.query('BEGIN');
      await holder.query('LOCK TABLE account');
      await expect(pool.query('SELECT 1 FROM account')).rejects.toMatchObject({ code: '55P03' });
      await holder.query('ROLLBACK');
      holder.release();
    }));

  // Guarantee: a server that cuts connections, used or idle, does not end the process. An unhandled `error` event
  // would fail this file.
  it('survives connections that the server cuts', async () => {
    const idleErrors: string[] = [];
    await withPool(
      { connectionsMax: 2, onIdleError: (error) => idleErrors.push(error.message) },
      async (pool) => {
        const [idle, lent] = [await pool.connect(), await pool.connect()];
        const pids = [await backendPid(idle), await backendPid(lent)];
        idle.release();
        // Both: until the pool has noticed, it may still hand the idle one out.
        const ended = Promise.all(
          [idle, lent].map((client) => new Promise((resolve) => client.once('end', resolve))),
        );
        await database.pool.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [pids]);
        await ended;
        await expect(lent.query('SELECT 1')).rejects.toThrow();
        lent.release(true);
        expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      },
    );
    expect(idleErrors).toHaveLength(1);
  });
});

const backendPid = async (client: pg.PoolClient): Promise<number> =>
  (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
