import type { ReportedUsage } from '@tunan/contracts';

/** Largest figure that is passed on: beyond any answer's, and the sum of any number of calls stays exact. */
const FIGURE_MAX = 2 ** 40;

const NO_OBJECT: ReportedUsage = Object.freeze({
  prompt: 0,
  cachedPrompt: 0,
  completion: 0,
  reasoning: 0,
  impossible: true,
});

/**
 * Reads a provider's `usage` object. All four providers count cached prompt tokens within `prompt_tokens` and reasoning
 * within `completion_tokens`.
 *
 * - Null for a missing object and for a placeholder: one that names neither a prompt nor a completion count.
 * - Explicit zeros are a usage: zero is charged as zero.
 * - Whole numbers written as text are read; every other text is not a number.
 * - What cannot be is marked `impossible` and brought to the nearest count: 0 for what is negative or no number, the
 *   whole part of a fraction, the prompt for more cached tokens than it has, because the difference is priced.
 * - More reasoning than completion tokens is cut to the completion: it is shown and never priced.
 */
export const readUsage = (raw: unknown): ReportedUsage | null => {
  if (raw == null) return null;
  if (typeof raw !== 'object') return NO_OBJECT;
  const usage = raw as Record<string, unknown>;
  if (usage['prompt_tokens'] == null && usage['completion_tokens'] == null) return null;
  const figures = [
    usage['prompt_tokens'],
    usage['completion_tokens'],
    detail(usage['prompt_tokens_details'], 'cached_tokens'),
    detail(usage['completion_tokens_details'], 'reasoning_tokens'),
  ].map(readFigure);
  const counts = figures.map(nearestCount);
  const [prompt, completion, cached, reasoning] = counts as [number, number, number, number];
  const read = {
    prompt,
    cachedPrompt: Math.min(cached, prompt),
    completion,
    reasoning: Math.min(reasoning, completion),
  };
  const possible = cached <= prompt && counts.every((count, index) => count === figures[index]);
  return possible ? read : { ...read, impossible: true };
};

const detail = (details: unknown, name: string): unknown =>
  typeof details === 'object' && details !== null ? (details as Record<string, unknown>)[name] : undefined;

/** A figure as it was reported; 0 where it is missing; NaN where it is no number. */
const readFigure = (value: unknown): number => {
  if (value == null) return 0;
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' ? number : Number.NaN;
};

const nearestCount = (figure: number): number =>
  Number.isNaN(figure) ? 0 : Math.trunc(Math.min(Math.max(figure, 0), FIGURE_MAX));
