import { z } from 'zod';
import { count, id, nano } from '../wire.js';

/** What a request asks for: decides the endpoint, the estimate and the charging rule. */
export const operation = z.enum(['chat', 'embeddings']);
export type Operation = z.output<typeof operation>;

/**
 * Credit set aside for one request, with everything that is needed to price it or to recreate it. It travels back
 * with every renewal and with the settlement, so that a store that lost it loses nothing.
 */
export const hold = z.object({
  requestId: id,
  accountId: id,
  keyId: id,
  /** Public model id. */
  model: id,
  operation,
  stream: z.boolean(),
  /** The catalog snapshot whose price is charged, whatever is active when the request ends. */
  catalogVersion: count,
  /** Completions asked for (`n`). */
  completions: z.int().min(1),
  /** Estimated prompt tokens of one completion, and the bound that real usage cannot pass. */
  promptLikely: count,
  promptBound: count,
  /** Output tokens granted to each completion. */
  ceiling: count,
  /** Amount set aside. */
  amount: nano,
  /** Tokens counted against the tokens-per-minute window at admission. */
  windowTokens: count,
  /** Wall clock of the admission: the window slot that settlement corrects. */
  admittedAtMs: count,
});
export type Hold = z.output<typeof hold>;

/** State of one limit window at the moment of the answer. */
export const limitState = z.object({
  limit: count,
  remaining: count,
  /** Milliseconds until the whole limit is available again if nothing else is sent. */
  resetMs: count,
});
export type LimitState = z.output<typeof limitState>;

/** The limiter's true state, for the response headers. */
export const limits = z.object({ requests: limitState, tokens: limitState });
export type Limits = z.output<typeof limits>;

/** How a request ended, which selects the charging rule. */
export const settleOutcome = z.enum([
  /** The answer is whole. */
  'completed',
  /** The client is answered with an error status: nothing is charged. */
  'failed',
  /** The client went away. */
  'aborted',
  /** The upstream ended a stream early, after content had been delivered. */
  'cut',
]);
export type SettleOutcome = z.output<typeof settleOutcome>;
