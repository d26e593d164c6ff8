import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { markPublished } from './published-versions.js';
import { createTestDatabase, type TestDatabase } from './testing/index.js';

describe('markPublished', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    for (const id of ['acc_1', 'acc_2', 'acc_3'])
      await database.pool.query(`INSERT INTO account (id, email, status) VALUES ($1, $1, 'active')`, [id]);
  });
  beforeEach(() =>
    database.pool.query(
      'UPDATE account SET ledger_version = 9, profile_version = 9, published_ledger_version = 5, published_profile_version = 3',
    ),
  );
  afterAll(() => database.drop());

  const published = async (): Promise<(readonly [string, bigint, bigint])[]> => {
    const { rows } = await database.pool.query<{ id: string; ledger: bigint; profile: bigint }>(
      'SELECT id, published_ledger_version AS ledger, published_profile_version AS profile FROM account ORDER BY id',
    );
    return rows.map(({ id, ledger, profile }) => [id, ledger, profile]);
  };

  it('records each part by itself, and never takes anything back', async () => {
    await markPublished(database.pool, [
      { accountId: 'acc_1', ledger: 9, profile: null },
      { accountId: 'acc_2', ledger: null, profile: 8 },
      { accountId: 'acc_3', ledger: 4, profile: 4 },
      { accountId: 'acc_nobody', ledger: 1, profile: 1 },
    ]);
    expect(await published()).toEqual([
      ['acc_1', 9n, 3n],
      ['acc_2', 5n, 8n],
      ['acc_3', 5n, 4n],
    ]);
  });

  // Guarantee: recording never waits for a ledger transaction, so it can't deadlock with one either.
  it('leaves accounts out that somebody is changing', async () => {
    const writer = await database.pool.connect();
    await writer.query('BEGIN');
    await writer.query(`SELECT 1 FROM account WHERE id = 'acc_1' FOR NO KEY UPDATE`);
    await markPublished(
      database.pool,
      ['acc_1', 'acc_2'].map((accountId) => ({ accountId, ledger: 9, profile: 9 })),
    );
    await writer.query('ROLLBACK');
    writer.release();
    expect(await published()).toEqual([
      ['acc_1', 5n, 3n],
      ['acc_2', 9n, 9n],
      ['acc_3', 5n, 3n],
    ]);
  });
});
