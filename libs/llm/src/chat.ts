import type { ReportedUsage, Usage } from '@tunan/contracts';

/** Why a completion ended, in OpenAI's words. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

/** The word for it that a client reads: one that offered `functions` knows no `tool_calls`. */
export const shownFinishReason = (reason: FinishReason, functionCall: boolean): string =>
  functionCall && reason === 'tool_calls' ? 'function_call' : reason;

/**
 * A piece of one tool call. `id` and `name` come with the first piece of a call and only there; `index` counts calls
 * from 0 without gaps.
 */
export interface ToolCallDelta {
  readonly index: number;
  readonly id?: string;
  readonly name?: string;
  readonly arguments: string;
}

/** Log probabilities in OpenAI's shape; the entries are passed on unread. */
export interface Logprobs {
  readonly content: readonly unknown[] | null;
  readonly refusal: readonly unknown[] | null;
}

/** What one event of a stream adds to a completion, free of any vendor's dialect. Empty members say nothing. */
export interface ChatDelta {
  readonly content: string;
  readonly reasoning: string;
  readonly refusal: string;
  readonly toolCalls: readonly ToolCallDelta[];
  readonly logprobs: Logprobs | null;
}

/** False for a delta of which every member is empty. */
export const saysSomething = (delta: ChatDelta): boolean =>
  delta.content !== '' ||
  delta.reasoning !== '' ||
  delta.refusal !== '' ||
  delta.toolCalls.length > 0 ||
  delta.logprobs !== null;

/** A whole tool call. */
export interface AnsweredToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/** A whole completion, free of any vendor's dialect. */
export interface ChatAnswer {
  readonly content: string;
  readonly reasoning: string;
  readonly refusal: string;
  readonly toolCalls: readonly AnsweredToolCall[];
  readonly logprobs: Logprobs | null;
  readonly finishReason: FinishReason;
}

/** What every frame of one answer repeats. */
export interface AnswerIdentity {
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  /** The public model id. */
  readonly model: string;
  /** The client offered `functions`, the form before `tools`: a call is told as `function_call`, and there is one at most. */
  readonly functionCall?: boolean;
}

/** The `usage` member of an OpenAI answer, as JSON. */
export const usageMember = (usage: Usage): string =>
  `{"prompt_tokens":${usage.prompt},"completion_tokens":${usage.completion},` +
  `"total_tokens":${usage.prompt + usage.completion},` +
  `"prompt_tokens_details":{"cached_tokens":${usage.cachedPrompt}},` +
  `"completion_tokens_details":{"reasoning_tokens":${usage.reasoning}}}`;

/** Sum of the usages of several completions; impossible if one of them is. */
export const addUsage = (a: ReportedUsage, b: ReportedUsage): ReportedUsage => ({
  prompt: a.prompt + b.prompt,
  cachedPrompt: a.cachedPrompt + b.cachedPrompt,
  completion: a.completion + b.completion,
  reasoning: a.reasoning + b.reasoning,
  ...(a.impossible === true || b.impossible === true ? { impossible: true } : {}),
});
