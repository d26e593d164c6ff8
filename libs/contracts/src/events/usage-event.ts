import { z } from 'zod';
import { operation, settleOutcome } from '../control/hold.js';
import { usage } from '../usage.js';
import { count, id, nano } from '../wire.js';

/** CloudEvents type of a usage event. */
export const USAGE_EVENT_TYPE = 'com.tunanapi.usage.v1';

/**
 * What one request used and costs: CloudEvents 1.0, `subject` = account id = partition key, `id` =
 * `{requestId}:final` or `{requestId}:lost`. All amounts are absolute, so that any order and any number of
 * deliveries has one meaning.
 */
export const usageEvent = z.object({
  specversion: z.literal('1.0'),
  id,
  source: z.string().max(128),
  type: z.literal(USAGE_EVENT_TYPE),
  subject: id,
  /** RFC 3339 with milliseconds. */
  time: z.string().max(32),
  traceparent: z.string().max(64).optional(),
  data: z.object({
    requestId: id,
    accountId: id,
    keyId: id,
    kind: z.enum(['final', 'lost']),
    outcome: z.union([settleOutcome, z.literal('lost')]),
    operation,
    stream: z.boolean(),
    model: id,
    provider: id.nullable(),
    upstreamModel: id.nullable(),
    channel: id.nullable(),
    attempts: count,
    fallback: z.boolean(),
    completions: z.int().min(1),
    usage,
    catalogVersion: count,
    /** Nano-dollars per million tokens, as charged. */
    price: z.object({ input: nano, cachedInput: nano, output: nano }),
    cost: nano,
    flags: z.array(z.string().max(32)),
    /**
     * What bounded a cost that is `clamped` or `overrun`: the hold, and what account and key had for this request when it
     * was settled; null if that was not known. With it such a cost can be computed again.
     */
    means: z.object({ hold: nano, reach: nano.nullable() }).optional(),
  }),
});
export type UsageEvent = z.output<typeof usageEvent>;
/** The JSON form: amounts are decimal strings. */
export type UsageEventWire = z.input<typeof usageEvent>;
