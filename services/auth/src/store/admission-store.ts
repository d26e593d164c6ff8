import type { CountedAs, Hold, Publication, UsageEvent } from '@tunan/contracts';
import type { Admission, HeldTerms } from '../domain/hold.js';
import type {
  AccountPage,
  AdmissionResult,
  ExpiredHold,
  InspectionResult,
  PendingEvent,
  PendingPage,
  RenewalResult,
  Settlement,
  SettlementResult,
  StoreStats,
  StoredLedger,
} from '../domain/operations.js';

/** A usage event and its place in the outbox. Places only grow. */
export interface OutboxEntry {
  readonly seq: number;
  readonly event: UsageEvent;
}

/**
 * Hot state of accounts and running requests. Every operation is one atomic step: it sees all earlier ones and none
 * is seen half done. An operation that resolved is durable against the death of this process; `settle` also against
 * the loss of power, where the store has a disk of its own.
 *
 * Every operation may reject with Fault `service_unavailable` (the store is away, full of waiting operations, or too
 * slow). It is then unknown whether it happened; each is safe to repeat.
 *
 * Money: `available = ledger balance − Σ pending − Σ holds`. The balance is only ever assigned from Postgres.
 * Times are the store's own, never the caller's.
 */
export abstract class AdmissionStore {
  /** Number of outboxes; each keeps the order of its events. Shards are numbered from 0. */
  abstract readonly shards: number;

  /**
   * Decides whether a request may run and sets its credit aside. Denials come in this order: key and account status,
   * model, key cap, requests, concurrency, credit, tokens; a denied request counts nowhere. Idempotent by request
   * id: a request that holds gets the same answer again, one that has ended gets `ended`.
   *
   * A store whose content was lost grants nothing until whoever runs a request has had the time to renew its hold,
   * which recreates it: the answer is `incomplete`. So is that of a store that is new, until {@link nothingLost}.
   */
  abstract admit(admission: Admission): Promise<AdmissionResult>;

  /**
   * Begins the lease of a hold anew and keeps the largest `deliveredTokens`. A hold that the store does not know is
   * recreated as it is given, also on a cold account; one that has ended is `settled`.
   */
  abstract renew(hold: Hold, deliveredTokens: number): Promise<RenewalResult>;

  /**
   * Ends a request with a charge: in one step the hold is released, the charge becomes pending, the token window is
   * corrected in the second of the admission if that still counts, and the usage event enters the outbox. Works on a
   * cold account and without a hold. Once per request and kind: a repetition returns the first charge.
   *
   * A charge above the hold takes the rest from what is available, within the cap of its key; what is left is not
   * charged and flagged `overrun`. Of a request that was not admitted since the opening, or is not remembered, such a
   * charge may have been made before, of another amount: it is `uncertain` until the caller says what is `booked`.
   *
   * `lost` is refused unless the lease has run out at this moment and the request has not ended; `final` after `lost`
   * takes its place, pending charge included. A settlement that has lapsed when it would be made, or by the time at which it is
   * at rest, is refused, however long it waited; the latter has ended its request without a charge. So a refusal of it
   * is final. Nobody sees it before.
   */
  abstract settle(settlement: Settlement): Promise<SettlementResult>;

  /**
   * Ends a request without a charge. Leaves a tombstone also where no hold is known, so that a late admit fails.
   * A request that has ended otherwise stays as it is.
   * @param giveBackRequest the request no longer counts against the requests-per-minute limit
   */
  abstract void(requestId: string, accountId: string, giveBackRequest: boolean): Promise<void>;

  /**
   * The usage event of a request that was settled, until its event is acknowledged; then, and of requests of other
   * accounts, null.
   */
  abstract findUsage(accountId: string, requestId: string): Promise<UsageEvent | null>;

  /**
   * State of an account. Takes one of its reads, or of the key's malformed requests, per minute; with none left,
   * `retryAfterMs` is set.
   */
  abstract inspect(accountId: string, keyId: string, countedAs: CountedAs): Promise<InspectionResult>;

  /**
   * Takes news from Postgres, each account in one step: ids that the ledger balance contains leave the pending set,
   * ledger and profile are assigned unless the store has newer ones. Ids without a ledger part are ignored. An
   * account with both parts is hot. One that the store knew at its opening is so only once it has been read: the file
   * may be an older copy, and news that follows a commit may be older still.
   * @param readUnder the store's generation when Postgres was read, or null if the publisher follows its own commit
   * @returns false, and nothing was taken, if the store has another generation by now: read Postgres again
   */
  abstract publish(publications: readonly Publication[], readUnder: string | null): Promise<boolean>;

  /**
   * The store of this generation had none before it, so no hold can be missing. No effect on another generation.
   */
  abstract nothingLost(generation: string): Promise<void>;

  /** Whether a request holds: it was admitted, or renewed, and has not ended. */
  abstract isHeld(requestId: string): Promise<boolean>;

  /**
   * Holds whose lease has run out, longest first. No lease runs out within one lease of the store's opening.
   * @param except holds on these terms are left out
   */
  abstract expiredHolds(limit: number, except?: readonly HeldTerms[]): Promise<readonly ExpiredHold[]>;

  /** The oldest events of a shard that are not acknowledged, in order. The same again until they are. */
  abstract readOutbox(shard: number, limit: number): Promise<readonly OutboxEntry[]>;

  /** Removes the events of a shard up to a place: they are safe elsewhere. */
  abstract ackOutbox(shard: number, throughSeq: number): Promise<void>;

  /** Cold accounts that were asked for since they were last taken, each once. Bounded; a further ask names it again. */
  abstract takeWanted(limit: number): Promise<readonly string[]>;

  /** The oldest pending events of each of these accounts. Costs as much as it names. */
  abstract pendingOf(accountIds: readonly string[], limitEach: number): Promise<readonly PendingEvent[]>;

  /** Pending events that were settled longer ago than this, oldest first, a page at a time. */
  abstract stalePending(olderThanMs: number, cursor: string | null, limit: number): Promise<PendingPage>;

  /** Pending events of that age whose delivery was acknowledged: Postgres should contain them. */
  abstract deliveredPending(olderThanMs: number, limit: number): Promise<readonly PendingEvent[]>;

  /** Holds that were admitted longer ago than this, however often they were renewed. */
  abstract agedHolds(olderThanMs: number, limit: number): Promise<readonly Hold[]>;

  /** Ledger states of those of these accounts that have one here. */
  abstract ledgersOf(accountIds: readonly string[]): Promise<readonly StoredLedger[]>;

  /** Accounts that the store knows, a page at a time: each that is known throughout is named at least once. */
  abstract accountIds(cursor: string | null, limit: number): Promise<AccountPage>;

  /** Forgets requests that ended longer ago than a tombstone lasts, are applied, and have left the outbox. */
  abstract purge(limit: number): Promise<number>;

  /**
   * Random name of the unbroken history of this store. A new one means that state may have been lost: accounts are
   * cold until they are published.
   */
  abstract generation(): Promise<string>;

  abstract stats(): Promise<StoreStats>;

  /** Finishes what was begun and releases the store. Operations after this reject. */
  abstract close(): Promise<void>;
}
