import { beforeEach, describe, expect, it } from '@jest/globals';
import { SystemClock } from '@tunan/kernel';
import { createLogger } from '@tunan/service-kit';
import { Registry } from 'prom-client';
import { AccountPublisher } from './account-publisher.js';
import { BillingMetrics } from './billing.metrics.js';
import type { Posting } from './domain/apply-posting.js';
import { EventIdTaken } from './ports/ledger.js';
import { PostEntry } from './post-entry.js';
import { FakeAuth } from './testing/fake-auth.js';
import { MemoryLedger } from './testing/memory-ledger.js';

describe('PostEntry', () => {
  let ledger: MemoryLedger;
  let auth: FakeAuth;
  let postEntry: PostEntry;
  beforeEach(() => {
    ledger = new MemoryLedger();
    ledger.addAccount('acc_1', [{ keyId: 'key_1', capped: true }]);
    ledger.addAccount('acc_2');
    auth = new FakeAuth();
    const metrics = new BillingMetrics(new Registry());
    postEntry = new PostEntry(
      ledger,
      new AccountPublisher(auth, metrics, new SystemClock(), createLogger('silent')),
      metrics,
    );
  });

  const post = (facts: Partial<Posting> = {}) =>
    postEntry.post({ eventId: 'pay_1', accountId: 'acc_1', kind: 'grant', amount: 500n, ...facts });

  it('credits the account and publishes the new balance', async () => {
    expect(await post()).toEqual({ balance: 500n, posted: true });
    expect(auth.publications).toEqual([
      {
        accountId: 'acc_1',
        ledger: { version: 2, balance: 500n, spent: 0n, requests: 0, spentByKey: { key_1: 0n } },
        profile: null,
        appliedEventIds: [],
      },
    ]);
    expect(auth.refreshed).toEqual([]);
  });

  // Guarantee: a webhook that comes five times credits once.
  it('posts an event id once', async () => {
    const results = await Promise.all([1, 2, 3, 4, 5].map(() => post({ kind: 'topup' })));
    expect(results.map((result) => result.posted).sort()).toEqual([false, false, false, false, true]);
    expect(results.map((result) => result.balance)).toEqual([500n, 500n, 500n, 500n, 500n]);
    expect(ledger.transfers).toHaveLength(1);
  });

  it.each([
    ['account', { accountId: 'acc_2' }],
    ['amount', { amount: 501n }],
    ['kind', { kind: 'bonus' as const }],
  ])('refuses the same event id with another %s', async (_name, facts) => {
    await post();
    await expect(post(facts)).rejects.toMatchObject({ code: 'invalid_value', param: 'eventId' });
    expect(ledger.transfers).toHaveLength(1);
  });

  it('refuses an event id that goes to another account while it is being posted', async () => {
    const transaction = ledger.transaction.bind(ledger);
    ledger.transaction = async () => {
      ledger.transaction = transaction;
      await post({ accountId: 'acc_2' });
      throw new EventIdTaken('as a unique index would say');
    };
    await expect(post()).rejects.toMatchObject({ code: 'invalid_value', param: 'eventId' });
    expect(ledger.transfers.map(({ credit }) => credit)).toEqual(['customer:acc_2']);
  });

  it('makes a paid account of one that pays for the first time, and says so', async () => {
    await post({ kind: 'topup' });
    expect(ledger.accounts.get('acc_1')).toMatchObject({ tier: 'paid' });
    expect(auth.refreshed).toEqual([['acc_1']]);
    await post({ kind: 'topup', eventId: 'pay_2' });
    expect(auth.refreshed).toHaveLength(1);
  });

  it('succeeds if the store is away', async () => {
    auth.before = () => Promise.reject(new Error('away'));
    expect(await post({ kind: 'topup' })).toEqual({ balance: 500n, posted: true });
  });

  it.each([
    ['an unknown account', { accountId: 'acc_nobody' }, { code: 'not_found' }],
    ['an amount of nothing', { amount: 0n }, { code: 'invalid_value', param: 'amount' }],
    ['a wrong sign', { amount: -1n }, { code: 'invalid_value', param: 'amount' }],
    [
      'more than there is',
      { kind: 'refund' as const, amount: -1n },
      { code: 'invalid_value', param: 'amount' },
    ],
    ['no event id', { eventId: '' }, { code: 'invalid_value', param: 'eventId' }],
    ['an event id that can not be stored', { eventId: 'a\0b' }, { code: 'invalid_value', param: 'eventId' }],
    ['the id of a usage event to come', { eventId: 'r1:final' }, { code: 'invalid_value', param: 'eventId' }],
  ])('refuses %s', async (_name, facts, fault) => {
    await expect(post(facts)).rejects.toMatchObject(fault);
    expect(ledger.transfers).toHaveLength(0);
  });
});
