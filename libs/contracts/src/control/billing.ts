import { z } from 'zod';
import { usageEvent } from '../events/usage-event.js';
import { count, id, nano } from '../wire.js';
import { call, type ContractSpec, type Port } from './contract.js';

/** What a ledger entry is, as customers and operators read it. */
export const entryKind = z.enum(['grant', 'topup', 'bonus', 'charge', 'refund', 'adjustment']);
export type EntryKind = z.output<typeof entryKind>;

/** One line of an account's ledger. Charges are negative. */
export const ledgerEntry = z.object({
  eventId: id,
  requestId: id.nullable(),
  kind: entryKind,
  amount: nano,
  /** ISO 8601, UTC, with microseconds. */
  at: z.string().max(32),
});
export type LedgerEntry = z.output<typeof ledgerEntry>;

/** What one model was used for on one day. */
export const dayUsage = z.object({
  /** UTC day of the requests' start, `YYYY-MM-DD`. */
  day: z.iso.date(),
  model: id,
  cost: nano,
  requests: count,
});
export type DayUsage = z.output<typeof dayUsage>;

/** Days that one call of `usageByDay` may span. */
export const USAGE_DAYS_MAX = 400;

/** Why a charge is not what its catalog snapshot says. */
export const ratingFault = z.enum([
  /** The snapshot or its model is missing: the usage can't be priced again. */
  'unpriced',
  /** The event names another price than its snapshot. */
  'price',
  /** The event's cost is not price × usage, and no flag explains it. */
  'cost',
  /** The ledger took another amount than the event's cost. */
  'ledger',
  /** The ledger has a charge whose event is missing or can't be read. */
  'event',
]);
export type RatingFault = z.output<typeof ratingFault>;

/** A charge that differs from price × usage, or whose usage was impossible. */
export const ratingDifference = z.object({
  eventId: id,
  accountId: id,
  /** Empty if the flags of the event explain the difference. */
  faults: z.array(ratingFault),
  /** What the ledger took for the request. */
  charged: nano,
  /** The cost that the event states; null if there is no event. */
  stated: nano.nullable(),
  /** Price of the snapshot × usage of the event; null if that can't be told. */
  rerated: nano.nullable(),
  flags: z.array(z.string().max(32)),
});
export type RatingDifference = z.output<typeof ratingDifference>;

/** Events that one call of `rerate` may look at. */
export const RERATE_EVENTS_MAX = 2_000;

/** The ledger and its one writer. */
export const billingContract = {
  service: 'billing',
  calls: {
    /** Applies usage events, each once whatever the number of deliveries; resolves after the commit. */
    deliver: call(z.object({ events: z.array(usageEvent).max(2_000) }), z.object({}), {
      callers: ['auth'],
      timeoutMs: 30_000,
    }),
    /**
     * Applies one usage event unless the ledger has one of its id: whichever came first stands, and is returned. Null if
     * it can't be applied. For who does not know whether the request was charged before.
     */
    book: call(z.object({ event: usageEvent }), z.object({ event: usageEvent.nullable() }), {
      callers: ['auth'],
      timeoutMs: 3_000,
    }),
    /**
     * Credits an account from outside the request path. Idempotent by event id; the same id with another amount,
     * account or kind is `invalid_value`.
     */
    post: call(
      z.object({
        eventId: id,
        accountId: id,
        kind: z.enum(['grant', 'topup', 'bonus', 'refund', 'adjustment']),
        amount: nano,
      }),
      z.object({ balance: nano, posted: z.boolean() }),
      { callers: ['account'], timeoutMs: 10_000 },
    ),
    /** Entries of an account in ledger order, after the cursor, and the balance of the same snapshot. */
    entries: call(
      z.object({ accountId: id, after: z.string().max(64).nullable(), limit: z.int().min(1).max(10_000) }),
      z.object({ balance: nano, entries: z.array(ledgerEntry), next: z.string().max(64).nullable() }),
      { callers: ['account'], timeoutMs: 10_000 },
    ),
    /** The usage event that the ledger charged for a request of this account; null if it has none. */
    findUsage: call(z.object({ accountId: id, requestId: id }), z.object({ event: usageEvent.nullable() }), {
      callers: ['auth', 'ingress'],
      timeoutMs: 5_000,
    }),
    /** Charges of an account, or of one of its keys, by day and model: both days included, at most 400. */
    usageByDay: call(
      z.object({ accountId: id, keyId: id.nullable(), from: z.iso.date(), through: z.iso.date() }),
      z.object({ days: z.array(dayUsage) }),
      { callers: ['ingress'], timeoutMs: 10_000 },
    ),
    /**
     * Prices a page of usage events again from the catalog snapshots that they name, in event order after the cursor,
     * and compares that with the ledger. Reads only.
     */
    rerate: call(
      z.object({
        accountId: id.nullable(),
        after: z.string().max(260).nullable(),
        limit: z.int().min(1).max(RERATE_EVENTS_MAX),
      }),
      z.object({
        events: count,
        charged: nano,
        rerated: nano,
        differences: z.array(ratingDifference),
        next: z.string().max(260).nullable(),
      }),
      { callers: ['account'], timeoutMs: 30_000 },
    ),
  },
} as const satisfies ContractSpec;

/** Injection token and type of the billing service as its callers see it. */
export abstract class BillingPort implements Port<typeof billingContract> {
  abstract deliver: Port<typeof billingContract>['deliver'];
  abstract book: Port<typeof billingContract>['book'];
  abstract post: Port<typeof billingContract>['post'];
  abstract entries: Port<typeof billingContract>['entries'];
  abstract findUsage: Port<typeof billingContract>['findUsage'];
  abstract usageByDay: Port<typeof billingContract>['usageByDay'];
  abstract rerate: Port<typeof billingContract>['rerate'];
}
