/** A chat model of Model Studio. */
export interface QwenModel {
  readonly contextTokens: number;
  readonly outputTokensMax: number;
  /** What `enable_thinking` is if it is not sent; `never` models ignore it. */
  readonly thinking: 'on' | 'off' | 'never';
  readonly vision: boolean;
  readonly jsonSchema: boolean;
  /** Most completions per call. */
  readonly choicesMax: number;
  /** Knows `max_completion_tokens`, which bounds thinking and answer together. */
  readonly boundsThinking: boolean;
  readonly thinkingBudgetMax: number;
  /** Deltas name every member, with null for what is not there. */
  readonly explicitNulls: boolean;
}

const hybrid: QwenModel = {
  contextTokens: 1_000_000,
  outputTokensMax: 65_536,
  thinking: 'on',
  vision: false,
  jsonSchema: false,
  choicesMax: 1,
  boundsThinking: true,
  thinkingBudgetMax: 262_144,
  explicitNulls: false,
};
const flash: QwenModel = { ...hybrid, vision: true, thinkingBudgetMax: 81_920, explicitNulls: true };
const classic: QwenModel = {
  ...hybrid,
  thinking: 'off',
  jsonSchema: true,
  choicesMax: 4,
  boundsThinking: false,
  thinkingBudgetMax: 81_920,
  explicitNulls: true,
};
const specialist: QwenModel = { ...classic, thinking: 'never', jsonSchema: false };

const plus: QwenModel = { ...hybrid, vision: true };

/** Chat models by name, snapshots included. */
export const QWEN_MODELS: Readonly<Record<string, QwenModel>> = {
  'qwen3.8-max': hybrid,
  'qwen3.8-flash': flash,
  'qwen3.7-max': hybrid,
  'qwen3.7-max-2026-05-20': hybrid,
  'qwen3.7-plus': plus,
  'qwen3.7-plus-2026-05-26': plus,
  'qwen3.5-flash': flash,
  'qwen3.5-flash-2026-02-23': flash,
  'qwen3-max': { ...classic, contextTokens: 262_144 },
  'qwen-plus': classic,
  'qwen-flash': classic,
  'qwen-coder-plus': { ...specialist, contextTokens: 131_072, outputTokensMax: 8_192 },
  'qwen-math-plus': { ...specialist, contextTokens: 4_096, outputTokensMax: 3_072 },
};

/** Names that the provider knows and no longer serves: 403, not 404. */
export const RETIRED_MODELS = [
  'qwen-vl-max',
  'qwen-vl-plus',
  'qwen-max',
  'qwen-turbo',
  'qwq-plus',
  'qvq-max',
];

/** An embedding model: its vector lengths, the default first. */
export const QWEN_EMBEDDINGS: Readonly<Record<string, readonly number[]>> = {
  'text-embedding-v3': [1_024, 768, 512, 256, 128, 64],
  'text-embedding-v4': [1_024, 2_048, 1_536, 768, 512, 256, 128, 64],
};
