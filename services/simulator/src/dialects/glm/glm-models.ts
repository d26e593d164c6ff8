/** A chat model of GLM. */
export interface GlmModel {
  readonly contextTokens: number;
  readonly outputTokensMax: number;
  /** `always` models refuse to have it switched off by `thinking`; `never` models ignore the switch. */
  readonly thinking: 'on' | 'always' | 'never';
  /** Most images of a call; 0 for text models. */
  readonly imagesMax: number;
  /**
   * How a stream calls tools: each in a chunk, then the finish chunk; or the finish reason is on the last tool chunk
   * itself; or the index is −1 and the finish reason comes twice.
   */
  readonly toolStyle: 'plain' | 'finish_on_tool' | 'index_minus_one';
  /** Older models leave out `object`. */
  readonly saysObject: boolean;
  /** Whether the list of models has it. */
  readonly listed: boolean;
}

const modern: GlmModel = {
  contextTokens: 200_000,
  outputTokensMax: 131_072,
  thinking: 'on',
  imagesMax: 0,
  toolStyle: 'plain',
  saysObject: true,
  listed: true,
};
const flash4: GlmModel = {
  ...modern,
  contextTokens: 128_000,
  outputTokensMax: 16_384,
  thinking: 'never',
  toolStyle: 'finish_on_tool',
  listed: false,
};
const plus4: GlmModel = {
  ...modern,
  contextTokens: 128_000,
  outputTokensMax: 4_096,
  thinking: 'never',
  saysObject: false,
};
const vision4: GlmModel = { ...plus4, contextTokens: 16_000, imagesMax: 5 };

/** Chat models by name. */
export const GLM_MODELS: Readonly<Record<string, GlmModel>> = {
  'glm-5.3': { ...modern, thinking: 'always' },
  'glm-5.3-flash': { ...modern, thinking: 'always', listed: false },
  'glm-5.2': modern,
  'glm-4.6v': { ...modern, contextTokens: 128_000, outputTokensMax: 32_768, imagesMax: 50 },
  'glm-4.5-flash': {
    ...modern,
    contextTokens: 128_000,
    outputTokensMax: 98_304,
    toolStyle: 'index_minus_one',
    listed: false,
  },
  'glm-4-flash': flash4,
  'glm-4-flash-250414': flash4,
  'glm-4-plus': plus4,
  'glm-4v-plus-0111': vision4,
};

/** An embedding model: vector lengths, the default first, and the most tokens of a text. */
export const GLM_EMBEDDINGS: Readonly<
  Record<string, { readonly lengths: readonly number[]; readonly tokensMax: number }>
> = {
  'embedding-3': { lengths: [2_048, 1_024, 512, 256], tokensMax: 3_072 },
  'embedding-2': { lengths: [1_024], tokensMax: 512 },
};
