import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from './testing/index.js';
import { inTransaction } from './transaction.js';

describe('inTransaction', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    await database.pool.query('CREATE TABLE box (id int PRIMARY KEY, content int NOT NULL)');
  });
  beforeEach(async () => {
    await database.pool.query('TRUNCATE box');
    await database.pool.query('INSERT INTO box VALUES (1, 0), (2, 0)');
  });
  afterAll(() => database.drop());

  const content = async (id: number): Promise<number> =>
    (await database.pool.query<{ content: number }>('SELECT content FROM box WHERE id = $1', [id])).rows[0]!
      .content;

  it('commits what the work did', async () => {
    const result = await inTransaction(database.pool, async (client) => {
      await client.query('UPDATE box SET content = 7 WHERE id = 1');
      return 'done';
    });
    expect(result).toBe('done');
    expect(await content(1)).toBe(7);
  });

  it('leaves nothing behind if the work throws, and the connection fit for use', async () => {
    const work = inTransaction(database.pool, async (client) => {
      await client.query('UPDATE box SET content = 7 WHERE id = 1');
      throw new Error('changed my mind');
    });
    await expect(work).rejects.toThrow('changed my mind');
    expect(await content(1)).toBe(0);
    expect(database.pool.idleCount).toBe(database.pool.totalCount);
  });

  // Guarantee: "resolved" means "committed". PostgreSQL answers COMMIT of a failed transaction without an error.
  it('fails if the work swallowed an error of the database', async () => {
    const work = inTransaction(database.pool, async (client) => {
      await client.query('UPDATE box SET content = 7 WHERE id = 1');
      await client.query('SELECT 1 / 0').catch(() => undefined);
    });
    await expect(work).rejects.toThrow('rolled back');
    expect(await content(1)).toBe(0);
  });

  /** Runs two transactions that each read both boxes and then write one, at the same time. */
  const collide = (options: Parameters<typeof inTransaction>[2]) => {
    let readers = 0;
    let release = (): void => undefined;
    const bothRead = new Promise<void>((resolve) => (release = resolve));
    const run = (id: number) =>
      inTransaction(
        database.pool,
        async (client) => {
          const { rows } = await client.query<{ sum: bigint }>('SELECT sum(content) AS sum FROM box');
          readers += 1;
          if (readers >= 2) release();
          await bothRead;
          await client.query('UPDATE box SET content = $2 WHERE id = $1', [id, Number(rows[0]!.sum) + 1]);
        },
        options,
      );
    return { both: Promise.allSettled([run(1), run(2)]), attempts: () => readers };
  };

  it('runs again after a serialization failure', async () => {
    const { both, attempts } = collide({ isolation: 'serializable', random: () => 0 });
    expect((await both).map((outcome) => outcome.status)).toEqual(['fulfilled', 'fulfilled']);
    expect(attempts()).toBe(3);
    expect([await content(1), await content(2)].sort()).toEqual([1, 2]);
  });

  it('gives up when its retries are used up', async () => {
    const { both } = collide({ isolation: 'serializable', retriesMax: 0 });
    const failed = (await both).filter((outcome) => outcome.status === 'rejected');
    expect(failed).toHaveLength(1);
    expect(failed[0]).toMatchObject({ reason: { code: '40001' } });
  });

  it('runs again after a deadlock', async () => {
    let holders = 0;
    let release = (): void => undefined;
    const bothHold = new Promise<void>((resolve) => (release = resolve));
    const run = (first: number, second: number) =>
      inTransaction(database.pool, async (client) => {
        await client.query('UPDATE box SET content = content + 1 WHERE id = $1', [first]);
        holders += 1;
        if (holders >= 2) release();
        await bothHold;
        await client.query('UPDATE box SET content = content + 1 WHERE id = $1', [second]);
      });
    await Promise.all([run(1, 2), run(2, 1)]);
    expect(holders).toBe(3);
    expect([await content(1), await content(2)]).toEqual([2, 2]);
  });

  it('throws a broken connection away', async () => {
    const work = inTransaction(database.pool, async (client) => {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await database.pool.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
      await client.query('SELECT 1');
    });
    await expect(work).rejects.toThrow();
    expect((await database.pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });
});
