import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import { insertAccount } from '../testing/postgres-rows.js';
import { PostgresPublicationLog } from './postgres-publication-log.js';

describe('PostgresPublicationLog', () => {
  let database: TestDatabase;
  let log: PostgresPublicationLog;
  beforeAll(async () => {
    database = await createTestDatabase();
    log = new PostgresPublicationLog(database.pool);
    for (const accountId of ['acc_1', 'acc_2', 'acc_3']) await insertAccount(database.pool, accountId);
  });
  beforeEach(() =>
    database.pool.query(
      `UPDATE account SET ledger_version = 5, profile_version = 3, published_ledger_version = 5, published_profile_version = 3`,
    ),
  );
  afterAll(() => database.drop());

  const set = (accountId: string, assignment: string) =>
    database.pool.query(`UPDATE account SET ${assignment} WHERE id = $1`, [accountId]);

  it('finds accounts with unpublished money or profile, in order, after a position', async () => {
    expect(await log.unpublished('', 10)).toEqual([]);
    await set('acc_3', 'ledger_version = 6');
    await set('acc_1', 'profile_version = 4');
    expect(await log.unpublished('', 10)).toEqual(['acc_1', 'acc_3']);
    expect(await log.unpublished('', 1)).toEqual(['acc_1']);
    expect(await log.unpublished('acc_1', 10)).toEqual(['acc_3']);
    expect(await log.countUnpublished()).toBe(2);
  });

  it('records what was published and never takes it back', async () => {
    await set('acc_1', 'ledger_version = 9');
    await set('acc_2', 'ledger_version = 9');
    await log.markPublished(
      new Map([
        ['acc_1', 9],
        ['acc_2', 8],
        ['acc_3', 2],
        ['acc_nobody', 1],
      ]),
    );
    expect(await log.unpublished('', 10)).toEqual(['acc_2']);
    const { rows } = await database.pool.query<{ version: bigint }>(
      'SELECT published_ledger_version AS version FROM account ORDER BY id',
    );
    expect(rows.map((row) => row.version)).toEqual([9n, 8n, 5n]);
  });
});
