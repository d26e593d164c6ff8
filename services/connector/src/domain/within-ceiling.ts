import { CHUNK_TOKENS_MAX, type ReportedUsage } from '@tunan/contracts';

/**
 * The usage of one completion, judged by its ceiling. The event that crosses it may be charged; more output than that is
 * impossible: it is cut to the ceiling and marked. Judged here, before completions are added up, because in their sum the
 * excess of one would pass as the room of the others.
 * @param crossing tokens of the event with which a stream crossed the ceiling, if it was delivered; 0 for a unary answer
 * @returns the same object if it is possible
 */
export const withinCeiling = (usage: ReportedUsage, ceiling: number, crossing: number): ReportedUsage =>
  usage.completion <= ceiling + Math.min(crossing, CHUNK_TOKENS_MAX)
    ? usage
    : { ...usage, completion: ceiling, reasoning: Math.min(usage.reasoning, ceiling), impossible: true };
