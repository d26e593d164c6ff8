import type { ReportedUsage } from '@tunan/contracts';
import { isFaultCode, type FaultCode } from '@tunan/kernel';
import type { FinishReason } from '@tunan/llm';
import type { Dialect } from './dialect.js';

const OPENAI: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
};

/** Usage of an answer that was filtered before any of it came, where the provider does not say what it charges for it. */
export const FILTERED_USAGE: ReportedUsage = { prompt: 0, cachedPrompt: 0, completion: 0, reasoning: 0 };

/** How an answer ended. A fault code: it failed. Unknown words mean that it ended well. */
export const readFinishReason = (word: string, dialect: Dialect): FinishReason | FaultCode =>
  OPENAI[word] ?? (Object.hasOwn(dialect.finishReasons, word) ? dialect.finishReasons[word]! : 'stop');

/** True if an end is a failure. `content_filter` is both a finish reason and a fault: at the end of an answer it is the first. */
export const isFailure = (end: FinishReason | FaultCode): end is Exclude<FaultCode, 'content_filter'> =>
  end !== 'content_filter' && isFaultCode(end);

/** OpenAI says `tool_calls` wherever there are calls; some providers say `stop`. */
export const shownReason = (reason: FinishReason, calls: number): FinishReason =>
  reason === 'stop' && calls > 0 ? 'tool_calls' : reason;
