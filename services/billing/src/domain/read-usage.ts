import type { UsageEvent, UsageEventWire } from '@tunan/contracts';
import { uuidv7TimeMs } from '@tunan/kernel';
import { AMOUNT_MAX } from './apply-posting.js';
import type { FreshUsage } from './apply-usage.js';
import { findInvalidMember } from './check-usage-event.js';

/** Why an event can't be applied. A metric label, so the list is closed. */
export type DeadLetterReason = 'invalid' | 'unknown_account' | 'conflict';

/** An event that is kept aside for a person to look at, because it can't be applied. */
export interface DeadLetter {
  readonly reason: DeadLetterReason;
  /** For people. */
  readonly detail: string;
  readonly eventId: string | null;
  readonly accountId: string | null;
  /** The event, as far as it can be shown. */
  readonly event: string;
}

/** An event that is well formed, with the JSON that is kept of it. */
export interface UsageRecord {
  readonly usage: Omit<FreshUsage, 'earlier'>;
  readonly json: string;
}

const EVENT_TEXT_MAX = 16 * 1024;
const ID_TEXT_MAX = 128;

/**
 * Checks one event and renders it for storage. Nothing is assumed of it: a caller in this process hands over objects
 * that no schema has seen.
 */
export const readUsage = (event: unknown): UsageRecord | DeadLetter => {
  try {
    return read(event);
  } catch (error) {
    return deadLetter('invalid', error instanceof Error ? error.message : 'unreadable', event);
  }
};

const read = (value: unknown): UsageRecord | DeadLetter => {
  const invalid = findInvalidMember(value);
  if (invalid !== undefined) return deadLetter('invalid', `${invalid} is missing or not allowed`, value);
  const event = value as UsageEvent;
  const { id, subject, data } = event;
  const { requestId, accountId, keyId, kind, cost, outcome, model } = data;
  const day = dayOf(event);
  if (day === undefined) return deadLetter('invalid', 'neither id nor time tells the day', event);
  if (id !== `${requestId}:${kind}`) return deadLetter('invalid', 'id does not fit request and kind', event);
  if (subject !== accountId) return deadLetter('invalid', 'subject is not the account', event);
  if (cost < 0n || cost > AMOUNT_MAX) return deadLetter('invalid', `impossible cost ${cost}`, event);
  const json = JSON.stringify(toWire(event));
  // Every such character is escaped in JSON, so that nearly all events pass without a second look.
  if (json.includes('\\u') && hasUnstorableText(JSON.parse(json)))
    return deadLetter('invalid', 'text that the database can not hold', event);
  return {
    usage: {
      eventId: id,
      requestId,
      accountId,
      keyId,
      model,
      day,
      kind,
      cost,
      completed: outcome === 'completed',
    },
    json,
  };
};

/** The end of year 9999: later times have no `YYYY-MM-DD`. */
const TIME_MS_MAX = Date.UTC(10_000, 0) - 1;

/** The day of the request's start, which its id tells: both events of a request name the same. */
const dayOf = ({ time, data }: UsageEvent): string | undefined => {
  const startMs = uuidv7TimeMs(data.requestId) ?? Date.parse(time);
  return startMs >= 0 && startMs <= TIME_MS_MAX ? new Date(startMs).toISOString().slice(0, 10) : undefined;
};

/** Amounts are decimal strings in JSON. */
const toWire = (event: UsageEvent): UsageEventWire => {
  const { data } = event;
  const { input, cachedInput, output } = data.price;
  const price = { input: input.toString(), cachedInput: cachedInput.toString(), output: output.toString() };
  const means = data.means && {
    hold: data.means.hold.toString(),
    reach: data.means.reach?.toString() ?? null,
  };
  return { ...event, data: { ...data, price, cost: data.cost.toString(), means } };
};

/** True for events that `readUsage` or the ledger refused. */
export const isDeadLetter = (outcome: UsageRecord | DeadLetter): outcome is DeadLetter => 'reason' in outcome;

export const deadLetter = (reason: DeadLetterReason, detail: string, event: unknown): DeadLetter => ({
  reason,
  detail,
  eventId: idText(event, 'id'),
  accountId: idText(event, 'subject'),
  event: storableText(jsonText(event)).slice(0, EVENT_TEXT_MAX),
});

const idText = (event: unknown, member: 'id' | 'subject'): string | null => {
  if (typeof event !== 'object' || event === null) return null;
  const value: unknown = (event as Record<string, unknown>)[member];
  return typeof value === 'string' ? storableText(value).slice(0, ID_TEXT_MAX) : null;
};

const jsonText = (event: unknown): string => {
  try {
    return (
      JSON.stringify(event, (_key, value: unknown) =>
        typeof value === 'bigint' ? value.toString() : value,
      ) ?? 'undefined'
    );
  } catch {
    return 'not JSON';
  }
};

/** PostgreSQL's text has no NUL and no half of a surrogate pair. */
const storableText = (text: string): string => text.replaceAll('\0', '\u{fffd}').toWellFormed();

const hasUnstorableText = (value: unknown): boolean => {
  if (typeof value === 'string') return value.includes('\0') || !value.isWellFormed();
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, member]) => hasUnstorableText(name) || hasUnstorableText(member));
};
