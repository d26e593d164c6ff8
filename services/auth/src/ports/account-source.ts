import type { AccountProfile, LedgerState } from '@tunan/contracts';
import type { PendingEvent } from '../domain/operations.js';

/** Limits that an account has of its own; null means its tier's. */
export interface OwnLimits {
  readonly rpm: number | null;
  readonly tpm: number | null;
  readonly concurrency: number | null;
}

/** An account as Postgres has it, read in one snapshot. */
export interface AccountRecord {
  readonly accountId: string;
  /** `spentByKey` names every key that is not revoked. */
  readonly ledger: LedgerState;
  /** Keys that are revoked are left out. */
  readonly profile: Omit<AccountProfile, 'limits'> & { readonly limits: OwnLimits };
  /** Which of the events that were asked about this ledger state contains. */
  readonly appliedEventIds: readonly string[];
}

/** What the store has confirmed of an account. */
export interface ConfirmedVersions {
  readonly accountId: string;
  readonly ledger: number;
  readonly profile: number;
}

/** Where the truth about accounts is. Every call is bounded in time and fails with a Fault. */
export abstract class AccountSource {
  /**
   * Accounts that exist, and which of these events, each of an account that is asked for, their balances contain, all of one moment.
   * @throws Fault `service_unavailable`
   */
  abstract read(
    accountIds: readonly string[],
    events: readonly PendingEvent[],
  ): Promise<readonly AccountRecord[]>;

  /** Records what the store has confirmed, never backwards. A hint: losing it costs another publication. */
  abstract confirm(versions: readonly ConfirmedVersions[]): Promise<void>;
}
