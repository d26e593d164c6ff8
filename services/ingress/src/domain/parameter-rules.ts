/** What a value of a top-level chat parameter may be. `null` is always accepted and means "not given". */
export type ParameterRule =
  | { readonly type: 'number' | 'integer'; readonly min: number; readonly max: number }
  | { readonly type: 'string'; readonly charsMax: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'choice'; readonly values: readonly string[] };

const CHARS_MAX = 512;

/**
 * Ranges of the simple chat parameters (documented request body, and the wire contract's additions). Types are
 * checked without coercion: `"10"` is not 10. Parameters with a shape of their own have a function of their own.
 */
export const CHAT_PARAMETER_RULES: Readonly<Record<string, ParameterRule>> = {
  temperature: { type: 'number', min: 0, max: 2 },
  top_p: { type: 'number', min: 0, max: 1 },
  frequency_penalty: { type: 'number', min: -2, max: 2 },
  presence_penalty: { type: 'number', min: -2, max: 2 },
  max_tokens: { type: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER },
  max_completion_tokens: { type: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER },
  n: { type: 'integer', min: 1, max: 8 },
  seed: { type: 'integer', min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER },
  top_logprobs: { type: 'integer', min: 0, max: 20 },
  stream: { type: 'boolean' },
  logprobs: { type: 'boolean' },
  parallel_tool_calls: { type: 'boolean' },
  user: { type: 'string', charsMax: CHARS_MAX },
  reasoning_effort: { type: 'choice', values: ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'] },
};
