import { z } from 'zod';
import { count } from './wire.js';

/**
 * Tokens of one answer. `prompt` includes `cachedPrompt`, `completion` includes `reasoning`; with several completions
 * these are sums.
 */
export const usage = z.object({ prompt: count, cachedPrompt: count, completion: count, reasoning: count });
export type Usage = z.output<typeof usage>;

/**
 * Usage as the provider reported it. With `impossible` a figure was none that an answer can have (negative, not a number,
 * beyond all limits): it stands here as the nearest count that can, and settlement charges it as `clamped`.
 */
export const reportedUsage = usage.extend({ impossible: z.literal(true).optional() });
export type ReportedUsage = z.output<typeof reportedUsage>;

/**
 * Most tokens that a completion may pass its ceiling by: a connector that counts and cancels does so after the event that
 * crosses the ceiling. How large that was only the connector knows, and judges by; beyond this, usage is impossible to
 * everybody.
 */
export const CHUNK_TOKENS_MAX = 256;
