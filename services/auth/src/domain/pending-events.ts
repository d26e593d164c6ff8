import { firstOf } from './first-of.js';
import type { PendingEvent, PendingPage } from './operations.js';
import type { RequestBook } from './request-book.js';
import { eventIdOf, type EndedRecord } from './request-record.js';

/** The oldest pending events of each of these accounts. */
export const pendingOf = (
  { accounts }: RequestBook,
  accountIds: readonly string[],
  limitEach: number,
): PendingEvent[] =>
  accountIds.flatMap((accountId) =>
    firstOf(accounts.get(accountId)?.pendingRecords ?? [], limitEach).map(pendingEvent),
  );

/** A page of the pending events that ended by then, in the order of their places; so the last one's place is a cursor. */
export const stalePending = (
  { pending }: RequestBook,
  beforeMs: number,
  cursor: string | null,
  limit: number,
): PendingPage => {
  const events: PendingEvent[] = [];
  let last = cursor === null ? 0 : Number(cursor);
  for (const record of pending.values()) {
    if (record.endedAtMs > beforeMs) break;
    if (record.seq <= last) continue;
    if (events.length >= limit) return { events, next: String(last) };
    events.push(pendingEvent(record));
    last = record.seq;
  }
  return { events, next: null };
};

/** Pending events that ended by then and whose delivery was acknowledged. */
export const deliveredPending = (
  { pending }: RequestBook,
  beforeMs: number,
  limit: number,
): PendingEvent[] => {
  const delivered: PendingEvent[] = [];
  for (const record of pending.values()) {
    if (record.endedAtMs > beforeMs || delivered.length >= limit) break;
    if (record.detail === null) delivered.push(pendingEvent(record));
  }
  return delivered;
};

const pendingEvent = (record: EndedRecord): PendingEvent => ({
  accountId: record.accountId,
  eventId: eventIdOf(record)!,
});
