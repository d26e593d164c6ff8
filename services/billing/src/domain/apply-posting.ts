import type { BillingPort } from '@tunan/contracts';
import { maxNano, minNano, type Nano } from '@tunan/kernel';
import type { AccountLedger } from './account-ledger.js';
import type { LedgerChange } from './ledger-change.js';
import { fromCustomer, toCustomer, type SystemAccount } from './transfer.js';

/** An entry from outside the request path. `amount` is the customer's view: negative takes credit away. */
export type Posting = Parameters<BillingPort['post']>[0];
export type PostingKind = Posting['kind'];

interface PostingRule {
  /** Where credit comes from; absent: an amount above zero is refused. */
  readonly up?: SystemAccount;
  /** Where credit goes; absent: an amount below zero is refused. */
  readonly down?: SystemAccount;
  /** True if the credit is given, not paid. */
  readonly promotional?: boolean;
  /** True if only paid credit may be taken: promotional credit is not money to send back. */
  readonly paidOnly?: boolean;
}

/**
 * The sign rules. A refund upwards gives a charge back as credit; downwards it records that a payment was sent back
 * to its payer. An adjustment corrects what we charged, in either direction.
 */
export const POSTING_RULES: Readonly<Record<PostingKind, PostingRule>> = {
  grant: { up: 'promotions', promotional: true },
  bonus: { up: 'promotions', promotional: true },
  topup: { up: 'clearing' },
  refund: { up: 'refunds', down: 'clearing', paidOnly: true },
  adjustment: { up: 'revenue', down: 'revenue' },
};

/** A million dollars: no single entry is larger, and sums of entries stay far inside 64 bits. */
export const AMOUNT_MAX: Nano = 10n ** 15n;

/** Why a posting is refused, for the caller to show. */
export interface PostingRefusal {
  readonly refused: string;
}

export interface PostingOutcome {
  readonly change: LedgerChange;
  readonly account: AccountLedger;
  /** True if the tier changed, which is news beyond the ledger. */
  readonly becamePaid: boolean;
}

/** Applies a posting. What would take more credit than there is to take is refused: holding it first is the caller's. */
export const applyPosting = (account: AccountLedger, posting: Posting): PostingOutcome | PostingRefusal => {
  const { amount, kind } = posting;
  const rule = POSTING_RULES[kind];
  if (amount > AMOUNT_MAX || amount < -AMOUNT_MAX)
    return { refused: 'The amount is beyond a million dollars.' };
  if (amount > 0n && rule.up !== undefined) return give(account, posting, rule.up, rule.promotional === true);
  if (amount < 0n && rule.down !== undefined)
    return take(account, posting, rule.down, rule.paidOnly === true);
  return {
    refused: amount === 0n ? 'The amount must not be zero.' : `The amount of a ${kind} has the wrong sign.`,
  };
};

const give = (
  account: AccountLedger,
  posting: Posting,
  from: SystemAccount,
  promotional: boolean,
): PostingOutcome => {
  const { eventId, kind, amount } = posting;
  const balance = account.balance + amount;
  // Of a balance below zero, promotional credit first fills the gap.
  const promoAfter = promotional ? minNano(account.promo + amount, maxNano(0n, balance)) : account.promo;
  const promo = promoAfter - account.promo;
  const transfer = toCustomer(account.accountId, from, { eventId, part: 0, kind, amount, promo });
  const becamePaid = kind === 'topup' && account.tier === 'free';
  const tier = becamePaid ? 'paid' : account.tier;
  const changed = { ...account, tier, balance, promo: promoAfter, version: account.version + 1 } as const;
  return {
    change: { transfers: [transfer], accounts: [changed], keySpend: [], days: [] },
    account: changed,
    becamePaid,
  };
};

const take = (
  account: AccountLedger,
  posting: Posting,
  to: SystemAccount,
  paidOnly: boolean,
): PostingOutcome | PostingRefusal => {
  const { eventId, kind } = posting;
  const amount = -posting.amount;
  const available = paidOnly ? account.balance - account.promo : account.balance;
  if (amount > available)
    return { refused: `The amount of this ${kind} exceeds the credit that it may take.` };
  const promo = paidOnly ? 0n : minNano(account.promo, amount);
  const transfer = fromCustomer(account.accountId, to, { eventId, part: 0, kind, amount, promo });
  const changed = {
    ...account,
    balance: account.balance - amount,
    promo: account.promo - promo,
    version: account.version + 1,
  };
  return {
    change: { transfers: [transfer], accounts: [changed], keySpend: [], days: [] },
    account: changed,
    becamePaid: false,
  };
};
