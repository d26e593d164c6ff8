import type { Nano } from '@tunan/kernel';

/** The money of one account as the ledger keeps it. */
export interface AccountLedger {
  readonly accountId: string;
  readonly tier: 'free' | 'paid';
  /** Credit. Usage never takes it below zero. */
  readonly balance: Nano;
  /** The part of `balance` that was given, not paid; it is spent first. 0 ≤ promo ≤ max(balance, 0). */
  readonly promo: Nano;
  /** Lifetime charges, also those that credit did not cover. */
  readonly spent: Nano;
  /** Requests that were charged or completed. */
  readonly requests: number;
  /** +1 with every transaction that changes any of these. */
  readonly version: number;
}
