import { z } from 'zod';
import { usageEvent } from '../events/usage-event.js';
import { id, nano } from '../wire.js';
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
  },
} as const satisfies ContractSpec;

/** Injection token and type of the billing service as its callers see it. */
export abstract class BillingPort implements Port<typeof billingContract> {
  abstract deliver: Port<typeof billingContract>['deliver'];
  abstract post: Port<typeof billingContract>['post'];
  abstract entries: Port<typeof billingContract>['entries'];
}
