import { expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { FakeAuth } from '../testing/fake-auth.js';
import { knownAccount } from '../testing/known-account.js';
import { AccountReads } from './account-reads.js';
import { BillingUsage } from './billing-usage.js';

it('a read of usage with a bad date is counted as a read', async () => {
  const auth = new FakeAuth();
  auth.inspection = knownAccount();
  const billing = { usageByDay: () => Promise.resolve({ days: [] }) };
  const usage = new BillingUsage('/usage', new AccountReads(auth), billing, new TestClock());
  const principal = { accountId: 'acc_1', keyId: 'key_1' };
  const request = { principal, raw: { query: { start_date: 'yesterday' } } };
  await expect(usage.handle(request as never, {} as never)).rejects.toMatchObject({ param: 'start_date' });
  expect(auth.inspections).toEqual([{ countedAs: 'read' }]);
});
