/** A tool that the model may call. */
export interface Tool {
  readonly name: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string };

/** What a chat request asks for, after a dialect has checked it and put its own rules and defaults in. */
export interface Ask {
  /** The model's name as the answer shows it. */
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly thinking: boolean;
  /** Most tokens of thinking; of thinking and answer together; of the answer alone. */
  readonly reasoningMax: number;
  readonly outputMax: number;
  readonly answerMax: number;
  readonly stop: readonly string[];
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice;
  /** One answer may call several tools. */
  readonly parallelToolCalls: boolean;
  /** The answer must be JSON, of this schema if there is one. */
  readonly json: { readonly schema: Readonly<Record<string, unknown>> | undefined } | undefined;
  /** Number of completions. */
  readonly n: number;
  /** Tokens of the prompt. */
  readonly promptTokens: number;
  /** Thinking stands in tags inside the content (MiniMax without `reasoning_split`). */
  readonly thinkingInContent: boolean;
  /** Log probabilities are asked for, with so many alternatives per token. */
  readonly logprobs?: { readonly alternatives: number };
}
