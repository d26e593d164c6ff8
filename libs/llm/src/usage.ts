import type { Usage } from '@tunan/contracts';

/** A usage that can't be true: a count that is negative, not whole, not a number, or a part larger than its whole. */
export const IMPOSSIBLE = 'impossible';

/**
 * Reads a provider's `usage` object. All four providers count cached prompt tokens within `prompt_tokens` and reasoning
 * within `completion_tokens`.
 *
 * - Null for a missing object and for a placeholder: one that names neither a prompt nor a completion count.
 * - Explicit zeros are a usage: zero is charged as zero.
 * - Whole numbers written as text are read; every other text is impossible.
 * - More cached than prompt tokens is impossible, because the difference is priced. More reasoning than completion
 *   tokens is cut to the completion: it is shown and never priced.
 */
export const readUsage = (raw: unknown): Usage | null | typeof IMPOSSIBLE => {
  if (typeof raw !== 'object' || raw === null) return raw == null ? null : IMPOSSIBLE;
  const usage = raw as Record<string, unknown>;
  if (usage['prompt_tokens'] == null && usage['completion_tokens'] == null) return null;
  const prompt = readCount(usage['prompt_tokens']);
  const completion = readCount(usage['completion_tokens']);
  const cachedPrompt = readCount(detail(usage['prompt_tokens_details'], 'cached_tokens'));
  const reasoning = readCount(detail(usage['completion_tokens_details'], 'reasoning_tokens'));
  if (prompt < 0 || completion < 0 || cachedPrompt < 0 || reasoning < 0 || cachedPrompt > prompt)
    return IMPOSSIBLE;
  return { prompt, cachedPrompt, completion, reasoning: Math.min(reasoning, completion) };
};

const detail = (details: unknown, name: string): unknown =>
  typeof details === 'object' && details !== null ? (details as Record<string, unknown>)[name] : undefined;

/** A count; 0 where it is missing; −1 where it is not one. */
const readCount = (value: unknown): number => {
  if (value == null) return 0;
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : -1;
};
