import type { Nano } from '@tunan/kernel';

/** An account's figures, and the sums that they must be. All of one snapshot. */
export interface AccountSums {
  readonly accountId: string;
  readonly balance: Nano;
  /** The part of the balance that is promotional credit. */
  readonly promo: Nano;
  readonly spent: Nano;
  readonly requests: bigint;
  /** Credits less debits of the transfers that were read. */
  readonly transferred: Nano;
  /** The same of their promotional parts. */
  readonly promoTransferred: Nano;
  /** Charges less corrections of them. */
  readonly charged: Nano;
  /** Costs and requests of its days; zero unless the transfers were the last. */
  readonly byDay: Nano;
  readonly requestsByDay: bigint;
  /** The first key whose charges are not the costs of its days; null if there is none, or there are more transfers. */
  readonly wrongKey: string | null;
  /** Last transfer that was read, to go on after; null if the account has no more. */
  readonly next: bigint | null;
}

/** Sums over everything. */
export interface Totals {
  /** Balance of the clearing account: top-ups less payments sent back. */
  readonly clearing: Nano;
  /** Usage events that were put aside and that nobody has dealt with yet, counted up to a bound. */
  readonly deadLetters: number;
}

/**
 * Sums over the ledger, to be compared with what is kept beside it. An account's transfers are numbered under its lock
 * and never changed, so none appears later among those that were read: sums of parts, read one after another, are the
 * sums of all transfers in the snapshot of the last part.
 */
export abstract class Books {
  /** Accounts in id order after `afterId`, with at most `transfersMax` of the transfers of each, the first ones. */
  abstract sums(afterId: string, limit: number, transfersMax: number): Promise<readonly AccountSums[]>;

  /**
   * An account with at most `transfersMax` of its transfers after that one.
   * @throws Error if there is no such account
   */
  abstract moreSums(accountId: string, afterTransfer: bigint, transfersMax: number): Promise<AccountSums>;

  /** Id of the next account; null if there is none. */
  abstract accountAfter(afterId: string): Promise<string | null>;

  /** What is summed over all accounts. */
  abstract totals(): Promise<Totals>;
}
