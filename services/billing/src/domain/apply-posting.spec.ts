import { describe, expect, it } from '@jest/globals';
import type { AccountLedger } from './account-ledger.js';
import {
  AMOUNT_MAX,
  applyPosting,
  POSTING_RULES,
  type PostingKind,
  type PostingOutcome,
} from './apply-posting.js';

const account = (facts: Partial<AccountLedger> = {}): AccountLedger => ({
  accountId: 'acc_1',
  tier: 'free',
  balance: 100n,
  promo: 40n,
  spent: 9n,
  requests: 3,
  version: 7,
  ...facts,
});

const post = (kind: PostingKind, amount: bigint, before = account()) =>
  applyPosting(before, { eventId: 'e1', accountId: before.accountId, kind, amount });

const applied = (...args: Parameters<typeof post>): PostingOutcome => {
  const outcome = post(...args);
  if ('refused' in outcome) throw new Error(outcome.refused);
  return outcome;
};

describe('applyPosting', () => {
  it.each([
    ['grant', 10n, 'promotions', 'customer:acc_1', { balance: 110n, promo: 50n }],
    ['bonus', 10n, 'promotions', 'customer:acc_1', { balance: 110n, promo: 50n }],
    ['topup', 10n, 'clearing', 'customer:acc_1', { balance: 110n, promo: 40n }],
    ['refund', 10n, 'refunds', 'customer:acc_1', { balance: 110n, promo: 40n }],
    ['refund', -60n, 'customer:acc_1', 'clearing', { balance: 40n, promo: 40n }],
    ['adjustment', 10n, 'revenue', 'customer:acc_1', { balance: 110n, promo: 40n }],
    ['adjustment', -60n, 'customer:acc_1', 'revenue', { balance: 40n, promo: 0n }],
  ] as const)('%s of %s goes from %s to %s', (kind, amount, debit, credit, after) => {
    const { change } = applied(kind, amount);
    expect(change.transfers).toMatchObject([
      { part: 0, kind, debit, credit, amount: amount < 0n ? -amount : amount },
    ]);
    expect(change.accounts).toMatchObject([{ ...after, version: 8, spent: 9n, requests: 3 }]);
  });

  it.each(Object.keys(POSTING_RULES) as PostingKind[])(
    'refuses a %s of nothing and of more than the bound',
    (kind) => {
      expect(post(kind, 0n)).toHaveProperty('refused');
      expect(post(kind, AMOUNT_MAX + 1n)).toHaveProperty('refused');
      expect(post(kind, -AMOUNT_MAX - 1n, account({ balance: 2n * AMOUNT_MAX }))).toHaveProperty('refused');
    },
  );

  it.each(['grant', 'bonus', 'topup'] as const)('refuses a negative %s', (kind) => {
    expect(post(kind, -1n)).toEqual({ refused: `The amount of a ${kind} has the wrong sign.` });
  });

  // Guarantee: promotional credit is never paid out, and no entry of ours takes a balance below zero.
  it('refuses to take more than there is', () => {
    expect(post('refund', -61n)).toHaveProperty('refused');
    expect(post('adjustment', -101n)).toHaveProperty('refused');
    expect(applied('adjustment', -100n).account).toMatchObject({ balance: 0n, promo: 0n });
  });

  it('makes a paid account of one that pays for the first time, and of no other', () => {
    expect(applied('topup', 1n)).toMatchObject({ becamePaid: true, account: { tier: 'paid' } });
    expect(applied('topup', 1n, account({ tier: 'paid' }))).toMatchObject({
      becamePaid: false,
      account: { tier: 'paid' },
    });
    expect(applied('grant', 1n)).toMatchObject({ becamePaid: false, account: { tier: 'free' } });
  });

  it('fills a balance below zero before it counts as promotional credit', () => {
    const outcome = applied('grant', 10n, account({ balance: -4n, promo: 0n }));
    expect(outcome.account).toMatchObject({ balance: 6n, promo: 6n });
    expect(outcome.change.transfers).toMatchObject([{ amount: 10n, promo: 6n }]);
  });
});
