import type { Nano } from '@tunan/kernel';

/** An account's figures, and the sums that they must be. All of one snapshot. */
export interface AccountSums {
  readonly accountId: string;
  readonly balance: Nano;
  readonly spent: Nano;
  /** Credits less debits of its transfers. */
  readonly transferred: Nano;
  /** Charges less corrections of its transfers. */
  readonly charged: Nano;
  /** Costs of its days. */
  readonly byDay: Nano;
}

/** Sums over the ledger, to be compared with what is kept beside it. */
export abstract class Books {
  /** Accounts in id order after `afterId`. */
  abstract sums(afterId: string, limit: number): Promise<readonly AccountSums[]>;

  /** Balance of the clearing account: top-ups less payments sent back. */
  abstract clearing(): Promise<Nano>;
}
