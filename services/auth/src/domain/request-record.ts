import type { Hold, Served, SettleOutcome } from '@tunan/contracts';
import { finalEventId, lostEventId, type TokenPrice } from '@tunan/kernel';
import type { Charge } from './charge.js';

/** A request that may still spend. */
export interface HeldRecord {
  readonly kind: 'held';
  readonly hold: Hold;
  readonly lowered: boolean;
  /** Most output tokens that a renewal reported. */
  deliveredTokens: number;
  leaseEndsMs: number;
}

/** How a request came to its end in the store. */
export type EndedBy = 'void' | 'final' | 'lost';

/** What a usage event tells beside the charge. Kept until the event is acknowledged. */
export interface UsageDetail extends Pick<
  Hold,
  'model' | 'operation' | 'stream' | 'completions' | 'catalogVersion'
> {
  readonly outcome: SettleOutcome | 'lost';
  readonly served: Served | null;
  readonly traceparent: string | null;
  readonly price: TokenPrice;
}

/**
 * A request that has ended: its tombstone, the answer to a repeated settlement, its pending charge and its place in
 * the outbox. One record per request carries all four, because they begin in the same step.
 */
export interface EndedRecord {
  readonly kind: 'ended';
  readonly requestId: string;
  readonly accountId: string;
  readonly keyId: string;
  readonly by: EndedBy;
  readonly endedAtMs: number;
  /** Where this request counts in the windows of its account and key, and how much. */
  readonly admittedAtMs: number;
  readonly countedRequests: 0 | 1;
  readonly countedTokens: number;
  /** Null for a void. */
  readonly charge: Charge | null;
  /** True until Postgres is known to contain the charge. */
  pending: boolean;
  /** Place in the outbox; 0 if there is no event. */
  readonly seq: number;
  /** Null once the event is acknowledged. */
  detail: UsageDetail | null;
}

export type RequestRecord = HeldRecord | EndedRecord;

/** The request that a record is about. */
export const requestIdOf = (record: RequestRecord): string =>
  record.kind === 'held' ? record.hold.requestId : record.requestId;

/** Id of the usage event that ended a request; undefined for a void, which has none. */
export const eventIdOf = ({ by, requestId }: Pick<EndedRecord, 'by' | 'requestId'>): string | undefined => {
  if (by === 'void') return undefined;
  return by === 'final' ? finalEventId(requestId) : lostEventId(requestId);
};

/** The request that a usage event is about. */
export const requestIdOfEvent = (eventId: string): string => eventId.slice(0, eventId.lastIndexOf(':'));
