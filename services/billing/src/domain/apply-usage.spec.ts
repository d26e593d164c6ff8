import { describe, expect, it } from '@jest/globals';
import type { AccountLedger } from './account-ledger.js';
import { applyUsage, type FreshUsage, type UsageOutcome } from './apply-usage.js';
import { signedAmount } from './transfer.js';

const account = (facts: Partial<AccountLedger> = {}): AccountLedger => ({
  accountId: 'acc_1',
  tier: 'free',
  balance: 100n,
  promo: 0n,
  spent: 0n,
  requests: 0,
  version: 7,
  ...facts,
});

const usage = (facts: Partial<FreshUsage> = {}): FreshUsage => ({
  eventId: `${facts.requestId ?? 'r1'}:${facts.kind ?? 'final'}`,
  requestId: 'r1',
  accountId: 'acc_1',
  keyId: 'key_1',
  model: 'deepseek-chat',
  day: '2026-01-01',
  kind: 'final',
  cost: 10n,
  completed: true,
  earlier: undefined,
  ...facts,
});

const apply = (
  before: AccountLedger,
  ...fresh: FreshUsage[]
): UsageOutcome & { after: AccountLedger | undefined } => {
  const outcome = applyUsage(new Map([[before.accountId, before]]), fresh);
  return { ...outcome, after: outcome.accounts[0] };
};

const rows = (outcome: UsageOutcome) =>
  outcome.transfers.map((transfer) => [transfer.kind, signedAmount(transfer), transfer.promo]);

describe('applyUsage', () => {
  it('charges the cost, once per event, and counts one version per transaction', () => {
    const outcome = apply(account(), usage(), usage({ requestId: 'r2', cost: 5n, keyId: 'key_2' }));
    expect(outcome.after).toEqual(account({ balance: 85n, spent: 15n, requests: 2, version: 8 }));
    expect(outcome.transfers).toEqual([
      {
        eventId: 'r1:final',
        part: 0,
        kind: 'charge',
        debit: 'customer:acc_1',
        credit: 'revenue',
        amount: 10n,
        promo: 0n,
      },
      {
        eventId: 'r2:final',
        part: 0,
        kind: 'charge',
        debit: 'customer:acc_1',
        credit: 'revenue',
        amount: 5n,
        promo: 0n,
      },
    ]);
    expect(outcome.keySpend).toEqual([
      { keyId: 'key_1', accountId: 'acc_1', delta: 10n },
      { keyId: 'key_2', accountId: 'acc_1', delta: 5n },
    ]);
    expect(outcome.writtenOff).toBe(0n);
  });

  it('spends promotional credit before paid', () => {
    const outcome = apply(account({ promo: 12n }), usage(), usage({ requestId: 'r2' }));
    expect(rows(outcome)).toEqual([
      ['charge', -10n, 10n],
      ['charge', -10n, 2n],
    ]);
    expect(outcome.after).toMatchObject({ balance: 80n, promo: 0n });
  });

  // Guarantee: the entry equals the cost that the client was shown, also where credit does not reach.
  it('charges the whole cost and writes off what credit does not cover', () => {
    const outcome = apply(account({ balance: 4n, promo: 3n }), usage());
    expect(rows(outcome)).toEqual([
      ['charge', -10n, 3n],
      ['writeoff', 6n, 0n],
    ]);
    expect(outcome.after).toMatchObject({ balance: 0n, promo: 0n, spent: 10n });
    expect(outcome.writtenOff).toBe(6n);
  });

  it('leaves a balance below zero where it is', () => {
    const outcome = apply(account({ balance: -5n }), usage());
    expect(outcome.after).toMatchObject({ balance: -5n, spent: 10n });
    expect(outcome.writtenOff).toBe(10n);
  });

  it('counts a completed request that cost nothing, without a transfer', () => {
    const outcome = apply(account(), usage({ cost: 0n }));
    expect(outcome.after).toMatchObject({ requests: 1, spent: 0n, version: 8 });
    expect(outcome.transfers).toEqual([]);
  });

  it('changes nothing for a request that failed and cost nothing', () => {
    expect(apply(account(), usage({ cost: 0n, completed: false }))).toMatchObject({
      accounts: [],
      transfers: [],
      keySpend: [],
    });
  });

  describe('with two events of one request', () => {
    const lost = { cost: 10n, promo: 0n, writtenOff: 0n };

    it('ignores lost after final', () => {
      const outcome = apply(account(), usage({ kind: 'lost', earlier: { ...lost, cost: 3n } }));
      expect(outcome).toMatchObject({ accounts: [], transfers: [] });
    });

    it('charges the difference if final is dearer than lost', () => {
      const outcome = apply(account({ spent: 10n, requests: 1 }), usage({ cost: 14n, earlier: lost }));
      expect(rows(outcome)).toEqual([['charge', -4n, 0n]]);
      expect(outcome.after).toMatchObject({ balance: 96n, spent: 14n, requests: 1 });
    });

    it('gives the difference back if final is cheaper, first what was paid', () => {
      const before = account({ balance: 50n, spent: 10n, requests: 1 });
      const outcome = apply(before, usage({ cost: 3n, earlier: { ...lost, promo: 6n } }));
      expect(rows(outcome)).toEqual([['correction', 7n, 3n]]);
      expect(outcome.after).toMatchObject({ balance: 57n, promo: 3n, spent: 3n, requests: 1 });
      expect(outcome.keySpend).toEqual([{ keyId: 'key_1', accountId: 'acc_1', delta: -7n }]);
    });

    it('makes our own loss good before it gives anything back', () => {
      const before = account({ balance: 0n, spent: 10n, requests: 1 });
      const outcome = apply(before, usage({ cost: 3n, earlier: { ...lost, writtenOff: 5n } }));
      expect(rows(outcome)).toEqual([
        ['correction', 7n, 0n],
        ['writeoff', -5n, 0n],
      ]);
      expect(outcome.after).toMatchObject({ balance: 2n });
    });

    it('no longer counts a request that turned out to have failed', () => {
      const before = account({ spent: 10n, requests: 1 });
      const outcome = apply(before, usage({ cost: 0n, completed: false, earlier: lost }));
      expect(outcome.after).toMatchObject({ spent: 0n, requests: 0, balance: 110n });
    });

    it('posts only final if both come together, in either order', () => {
      const both = [usage({ kind: 'lost', cost: 10n, completed: false }), usage({ cost: 3n })];
      for (const fresh of [both, [...both].reverse()]) {
        const outcome = apply(account(), ...fresh);
        expect(rows(outcome)).toEqual([['charge', -3n, 0n]]);
        expect(outcome.after).toMatchObject({ balance: 97n, requests: 1 });
      }
    });
  });

  it('sums up by account, day, key and model, and takes back what final costs less', () => {
    const { days } = apply(
      account(),
      usage(),
      usage({ requestId: 'r2', cost: 5n }),
      usage({ requestId: 'r3', day: '2026-01-02' }),
      usage({ requestId: 'r4', model: 'other', cost: 0n, completed: false }),
      usage({ requestId: 'r5', keyId: 'key_2', cost: 3n, earlier: { cost: 4n, promo: 0n, writtenOff: 0n } }),
    );
    const day = { accountId: 'acc_1', day: '2026-01-01', keyId: 'key_1', model: 'deepseek-chat' };
    expect(days).toEqual([
      { ...day, cost: 15n, requests: 2 },
      { ...day, day: '2026-01-02', cost: 10n, requests: 1 },
      { ...day, keyId: 'key_2', cost: -1n, requests: 0 },
    ]);
  });

  it('refuses usage of an account that it was not given', () => {
    expect(() => apply(account(), usage({ accountId: 'acc_2' }))).toThrow('acc_2');
  });
});
