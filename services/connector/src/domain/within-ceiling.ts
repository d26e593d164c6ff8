import { CHUNK_TOKENS_MAX, type ReportedUsage } from '@tunan/contracts';

/**
 * The usage of one completion, judged by its ceiling. The chunk that crosses it may be charged; more output than that is
 * impossible: it is cut to the ceiling and marked. Judged here, before completions are added up, because in their sum the
 * excess of one would pass as the room of the others.
 * @returns the same object if it is possible
 */
export const withinCeiling = (usage: ReportedUsage, ceiling: number): ReportedUsage =>
  usage.completion <= ceiling + CHUNK_TOKENS_MAX
    ? usage
    : { ...usage, completion: ceiling, reasoning: Math.min(usage.reasoning, ceiling), impossible: true };
