import type { EntryKind } from '@tunan/contracts';
import type { Nano } from '@tunan/kernel';

/** Our own side of a transfer. These keep no running balance: each is the sum of its transfers. */
export type SystemAccount = 'revenue' | 'promotions' | 'clearing' | 'refunds' | 'writeoff';

/**
 * What a transfer is to us. A `correction` takes a charge back in part, because the request turned out cheaper; a
 * `writeoff` is what credit did not cover, or, towards us, the return of such a loss.
 */
export type TransferKind = EntryKind | 'correction' | 'writeoff';

/** One row of the ledger: money from `debit` to `credit`. Exactly one of the two is a customer. */
export interface Transfer {
  readonly eventId: string;
  /** Position among the transfers of one event. */
  readonly part: number;
  readonly kind: TransferKind;
  readonly debit: string;
  readonly credit: string;
  /** Above zero. */
  readonly amount: Nano;
  /** The part of `amount` that is promotional credit. */
  readonly promo: Nano;
}

/** What the customer reads for each kind. */
export const ENTRY_KIND: Readonly<Record<TransferKind, EntryKind>> = {
  grant: 'grant',
  topup: 'topup',
  bonus: 'bonus',
  charge: 'charge',
  refund: 'refund',
  adjustment: 'adjustment',
  correction: 'adjustment',
  writeoff: 'adjustment',
};

const CUSTOMER = 'customer:';

/** The customer's side of a transfer. */
export const customerSide = (accountId: string): string => CUSTOMER + accountId;

/** Account id of the customer of a transfer. */
export const customerOf = (transfer: Transfer): string =>
  (transfer.debit.startsWith(CUSTOMER) ? transfer.debit : transfer.credit).slice(CUSTOMER.length);

/** The amount as the customer sees it: negative if it leaves the account. */
export const signedAmount = (transfer: Transfer): Nano =>
  transfer.debit.startsWith(CUSTOMER) ? -transfer.amount : transfer.amount;

type TransferFacts = Pick<Transfer, 'eventId' | 'part' | 'kind' | 'amount' | 'promo'>;

/** Money from the customer to us. */
export const fromCustomer = (accountId: string, to: SystemAccount, facts: TransferFacts): Transfer => ({
  ...facts,
  debit: customerSide(accountId),
  credit: to,
});

/** Money from us to the customer. */
export const toCustomer = (accountId: string, from: SystemAccount, facts: TransferFacts): Transfer => ({
  ...facts,
  debit: from,
  credit: customerSide(accountId),
});
