import type { Nano } from '@tunan/kernel';
import type { AccountLedger } from './account-ledger.js';
import type { Transfer } from './transfer.js';

/** Change of a key's lifetime charges. */
export interface KeySpend {
  readonly keyId: string;
  readonly accountId: string;
  readonly delta: Nano;
}

/** Change of what a key used one model for on one day. */
export interface DayChange {
  readonly accountId: string;
  /** `YYYY-MM-DD`. */
  readonly day: string;
  readonly keyId: string;
  readonly model: string;
  readonly cost: Nano;
  readonly requests: number;
}

/** Everything that one ledger transaction writes about money. */
export interface LedgerChange {
  /** In ledger order. */
  readonly transfers: readonly Transfer[];
  /** New states of the accounts that changed, each one version further. */
  readonly accounts: readonly AccountLedger[];
  readonly keySpend: readonly KeySpend[];
  /** One entry per account, day, key and model. */
  readonly days: readonly DayChange[];
}
