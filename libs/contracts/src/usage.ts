import { z } from 'zod';
import { count } from './wire.js';

/**
 * Tokens of one answer as the provider reported them. `prompt` includes `cachedPrompt`, `completion` includes
 * `reasoning`; with several completions these are sums.
 */
export const usage = z.object({ prompt: count, cachedPrompt: count, completion: count, reasoning: count });
export type Usage = z.output<typeof usage>;
