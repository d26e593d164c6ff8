/** One part of a message's content. */
export type ContentPart =
  | { readonly type: 'text'; readonly text: string }
  /** Only in messages of the assistant. */
  | { readonly type: 'refusal'; readonly refusal: string }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string; readonly detail?: string } };

/** A call of a tool by the model. */
export interface ToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A message after validation: `developer`, `function` and legacy members are still as the client sent them. */
export interface ChatMessage {
  readonly role: 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function';
  readonly content?: string | readonly ContentPart[] | null;
  readonly name?: string;
  readonly tool_calls?: readonly ToolCall[];
  readonly tool_call_id?: string;
  readonly reasoning_content?: string;
  /** What the assistant said instead of an answer. */
  readonly refusal?: string | null;
}

/** A tool that the model may call. */
export interface Tool {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string;
    readonly parameters?: Record<string, unknown>;
    readonly strict?: boolean;
  };
}

/** A chat request after validation. Unknown members stay, for the parameter classes to judge. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly stream?: boolean | null;
  readonly stream_options?: { readonly include_usage?: boolean } | null;
  readonly max_tokens?: number | null;
  readonly max_completion_tokens?: number | null;
  readonly temperature?: number | null;
  readonly top_p?: number | null;
  readonly stop?: string | readonly string[] | null;
  readonly n?: number | null;
  readonly frequency_penalty?: number | null;
  readonly presence_penalty?: number | null;
  readonly response_format?: { readonly type: string; readonly json_schema?: Record<string, unknown> } | null;
  readonly tools?: readonly Tool[] | null;
  readonly tool_choice?: string | Record<string, unknown> | null;
  readonly parallel_tool_calls?: boolean | null;
  readonly seed?: number | null;
  readonly logprobs?: boolean | null;
  readonly top_logprobs?: number | null;
  readonly user?: string | null;
  readonly metadata?: Record<string, string> | null;
  readonly reasoning_effort?: string | null;
  readonly [unknown: string]: unknown;
}

/** An embeddings request after validation and decoding: texts only. */
export interface EmbeddingsRequest {
  readonly model: string;
  readonly input: string | readonly string[];
  readonly dimensions?: number;
  readonly encoding_format?: 'float' | 'base64';
  readonly user?: string;
  readonly [unknown: string]: unknown;
}
