import { createTestDatabase } from '@tunan/postgres/testing';
import { describeLedger } from '../testing/ledger-contract.js';
import { insertAccount } from '../testing/postgres-rows.js';
import { PostgresLedger } from './postgres-ledger.js';

describeLedger('PostgresLedger', async () => {
  const database = await createTestDatabase();
  return {
    ledger: new PostgresLedger(database.pool),
    addAccount: (accountId, keys) => insertAccount(database.pool, accountId, keys),
    deadLetterCount: async () =>
      (await database.pool.query<{ count: number }>('SELECT count(*)::int AS count FROM usage_dead_letter'))
        .rows[0]!.count,
    destroy: () => database.drop(),
  };
});
