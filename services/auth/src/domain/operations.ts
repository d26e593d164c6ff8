import type { AccountProfile, Hold, LedgerState, Limits } from '@tunan/contracts';
import type { Nano } from '@tunan/kernel';
import type { Charge } from './charge.js';
import type { Denial } from './decide.js';
import type { UsageDetail } from './request-record.js';

/** Answer to an admission. */
export type AdmissionResult =
  | {
      readonly outcome: 'granted';
      readonly hold: Hold;
      readonly lowered: boolean;
      readonly limits: Limits;
      readonly leaseMs: number;
    }
  | ({ readonly outcome: 'denied' } & Omit<Denial, 'granted'>)
  /** The account has no hot state; it is now among those asked for. */
  | { readonly outcome: 'cold' }
  /** The store's file is new, and credit under running requests may not be set aside here yet. */
  | { readonly outcome: 'incomplete'; readonly retryAfterMs: number }
  /** The request was settled, voided or lost before: it must not run. */
  | { readonly outcome: 'ended' }
  /** The outbox is at its cap: nothing more may be sold until usage events can leave. */
  | { readonly outcome: 'full' };

/** Answer to a renewal. */
export type RenewalResult =
  { readonly outcome: 'renewed'; readonly leaseMs: number } | { readonly outcome: 'settled' };

/** How a request is charged: the charging rules are applied before the store is asked. */
export interface Settlement extends Pick<UsageDetail, 'outcome' | 'served' | 'traceparent' | 'price'> {
  /** `final` comes from whoever ran the request, `lost` from the sweeper. */
  readonly kind: 'final' | 'lost';
  readonly hold: Hold;
  readonly charge: Charge;
  /** With a charge of nothing: tokens that its window keeps all the same. */
  readonly unpaidTokens?: number | undefined;
  /** Not made any more from this store time on. */
  readonly lapsesAtMs?: number | undefined;
  /** The charge is the one that the ledger has, and taken as it is. */
  readonly booked?: boolean;
}

/** Answer to a settlement. */
export type SettlementResult =
  | {
      readonly outcome: 'settled';
      readonly charge: Charge;
      readonly repeated: boolean;
      /** The limiter's state right after it; null if the account is cold. */
      readonly limits: Limits | null;
    }
  /** Nothing was done: `lost`, and the lease has not run out or the request has ended otherwise; or it has lapsed. */
  | { readonly outcome: 'refused' }
  /** Nothing was done: the ledger may have a charge of this request that is not known here. `charge`: if it has none. */
  | { readonly outcome: 'uncertain'; readonly charge: Charge };

/** Answer to a look at an account. */
export type InspectionResult =
  | {
      readonly outcome: 'known';
      readonly keyActive: boolean;
      readonly left: Nano;
      readonly spent: Nano;
      readonly requests: number;
      readonly keyBudget: { readonly spent: Nano; readonly left: Nano } | null;
      readonly profile: AccountProfile;
      readonly limits: Limits;
      readonly retryAfterMs: number | null;
    }
  | { readonly outcome: 'cold' };

/** A hold whose lease has run out. */
export interface ExpiredHold {
  readonly hold: Hold;
  readonly deliveredTokens: number;
}

/** A usage event that Postgres is not known to contain. */
export interface PendingEvent {
  readonly accountId: string;
  readonly eventId: string;
}

/** Some of the pending events of a store. */
export interface PendingPage {
  readonly events: readonly PendingEvent[];
  /** Where the next page begins; null if this is the last. */
  readonly next: string | null;
}

/** What a store has of an account's ledger. */
export interface StoredLedger {
  readonly accountId: string;
  readonly ledger: LedgerState;
}

/** Some of the accounts that a store knows. */
export interface AccountPage {
  readonly accountIds: readonly string[];
  /** Where the next page begins; null if this is the last. */
  readonly next: string | null;
}

/** What a store holds, for metrics. */
export interface StoreStats {
  readonly accounts: number;
  readonly holds: number;
  readonly pending: number;
  readonly tombstones: number;
  readonly outboxDepth: number;
  /** Age of the oldest event in the outbox, in milliseconds; 0 if it is empty. */
  readonly outboxAgeMs: number;
}
