import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import { OperatorRig } from './testing/operator-rig.js';

/** The sign-up grant of the catalog. */
const GRANT = 500_000_000n;

let database: TestDatabase;
let rig: OperatorRig;

beforeAll(async () => {
  database = await createTestDatabase();
}, 120_000);
afterAll(() => database.drop());
beforeEach(async () => {
  rig = await OperatorRig.start(database.pool);
});
afterEach(() => rig.stop());

describe('credits and ledger', () => {
  it('books a credit once per reference and tells auth each time', async () => {
    const { accountId } = await rig.newAccount();
    const version = await rig.profileVersion(accountId);
    const refreshes = rig.auth.refreshed.length;
    const topUp = { amountUsd: '20', kind: 'topup', reference: `pay-${accountId}` };
    const first = await rig.post(`/accounts/${accountId}/credits`, topUp);
    expect([first.status, first.body]).toEqual([200, { balanceNano: '20500000000', posted: true }]);
    const again = await rig.post(`/accounts/${accountId}/credits`, topUp);
    expect([again.status, again.body]).toEqual([200, { balanceNano: '20500000000', posted: false }]);
    expect(rig.auth.refreshed.slice(refreshes)).toEqual([accountId, accountId]);
    const other = await rig.post(`/accounts/${accountId}/credits`, { ...topUp, amountUsd: '21' });
    expect([other.status, other.body.error.code]).toEqual([400, 'invalid_value']);
    // Balance and tier are billing's to change, never this service's.
    const { balance_nano: balance, tier } = await rig.row(
      'SELECT balance_nano, tier FROM account WHERE id = $1',
      accountId,
    );
    expect([balance, tier, await rig.profileVersion(accountId)]).toEqual([0n, 'free', version]);
  });

  // Guarantee: a payment that is booked twice by mistake, to whomever, is credited once.
  it('a reference belongs to one account', async () => {
    const [one, two] = [await rig.newAccount(), await rig.newAccount()];
    const credit = { amountUsd: '1', kind: 'bonus', reference: `ref-${one.accountId}` };
    expect((await rig.post(`/accounts/${one.accountId}/credits`, credit)).status).toBe(200);
    expect((await rig.post(`/accounts/${two.accountId}/credits`, credit)).status).toBe(400);
  });

  it.each([
    ['0', 'topup', 'amountUsd'],
    ['-5', 'refund', 'amountUsd'],
    ['1e3', 'topup', 'amountUsd'],
    ['5', 'charge', 'kind'],
    ['5', 'gift', 'kind'],
  ])('refuses a credit of %s of kind %s', async (amountUsd, kind, param) => {
    const { accountId } = await rig.newAccount();
    const answer = await rig.post(`/accounts/${accountId}/credits`, { amountUsd, kind, reference: 'r' });
    expect([answer.status, answer.body.error.param]).toEqual([400, param]);
    expect(rig.billing.balance(accountId)).toBe(GRANT);
  });

  it('pages through the ledger in order', async () => {
    const { accountId } = await rig.newAccount();
    for (let i = 0; i < 4; i += 1)
      await rig.post(`/accounts/${accountId}/credits`, {
        amountUsd: '1',
        kind: 'grant',
        reference: `${accountId}-${i}`,
      });
    const seen: string[] = [];
    for (let after = ''; ;) {
      const { body } = await rig.get(
        `/accounts/${accountId}/ledger?limit=2${after === '' ? '' : `&after=${after}`}`,
      );
      expect(body.entries.length).toBeLessThanOrEqual(2);
      expect(body.balanceNano).toBe('4500000000');
      seen.push(...body.entries.map((entry: { eventId: string }) => entry.eventId));
      if (body.next === null) break;
      after = body.next;
    }
    expect(seen).toEqual([`grant:${accountId}`, ...[0, 1, 2, 3].map((i) => `credit:${accountId}-${i}`)]);
    const { entries } = (await rig.get(`/accounts/${accountId}/ledger`)).body;
    expect(entries[0]).toEqual({
      eventId: `grant:${accountId}`,
      requestId: null,
      kind: 'grant',
      amountNano: '500000000',
      at: expect.any(String),
    });
    for (const limit of ['0', '10001', 'x', ''])
      expect((await rig.get(`/accounts/${accountId}/ledger?limit=${limit}`)).status).toBe(400);
  });
});
