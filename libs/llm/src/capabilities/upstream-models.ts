import type { ProviderId } from '@tunan/contracts';
import type { Parameter } from './parameters.js';
import {
  EMULATED,
  HONOURED,
  IGNORED,
  REFUSED,
  within,
  type ParameterClass,
  type Treatment,
} from './treatment.js';

/** What one upstream model does with each parameter: a column of the capability table. */
export type Capabilities = Readonly<Record<Parameter, Treatment>>;

/** What no provider has, or what all have. Each vendor says where it differs. */
const COMMON: Capabilities = {
  temperature: HONOURED,
  top_p: HONOURED,
  max_tokens: HONOURED,
  max_completion_tokens: HONOURED,
  stream: HONOURED,
  stop: HONOURED,
  frequency_penalty: IGNORED,
  presence_penalty: IGNORED,
  n: EMULATED,
  'response_format=json_object': HONOURED,
  'response_format=json_schema': EMULATED,
  tools: HONOURED,
  // Only DeepSeek has it, on another endpoint and for all tools or none.
  'tools.function.strict': IGNORED,
  'tool_choice=none': HONOURED,
  'tool_choice=required': EMULATED,
  'tool_choice=function': HONOURED,
  parallel_tool_calls: EMULATED,
  seed: IGNORED,
  logprobs: REFUSED,
  top_logprobs: REFUSED,
  reasoning_effort: IGNORED,
  user: IGNORED,
  metadata: IGNORED,
  store: IGNORED,
  service_tier: IGNORED,
  prompt_cache_key: IGNORED,
  verbosity: IGNORED,
  logit_bias: REFUSED,
  audio: REFUSED,
  modalities: REFUSED,
  prediction: REFUSED,
  // Of an image. Models that are sold for text refuse images; DeepSeek and MiniMax document it for their own.
  detail: IGNORED,
};

// Source: api-docs.deepseek.com, create-chat-completion, September to November 2026. Without thinking `top_p` is
// fixed at 1; with it temperature is ignored and no tool can be forced.
const DEEPSEEK: Capabilities = {
  ...COMMON,
  top_p: IGNORED,
  'tool_choice=required': HONOURED,
  logprobs: HONOURED,
  top_logprobs: HONOURED,
  // Sent as a hash.
  user: HONOURED,
};
const DEEPSEEK_THINKING: Capabilities = {
  ...DEEPSEEK,
  temperature: IGNORED,
  top_p: within(0.95, 1),
  'tool_choice=required': EMULATED,
  'tool_choice=function': EMULATED,
  // Accepted are low, high and max; the others are what the vendor maps them to.
  reasoning_effort: {
    class: 'advisory',
    values: { minimal: 'low', low: 'low', medium: 'high', high: 'high', xhigh: 'high' },
  },
};

// Source: help.aliyun.com/zh/model-studio, OpenAI-compatible mode, 2026. Temperature lies below 2, `top_p` above 0,
// both exclusively. `frequency_penalty` and `user` are accepted and without effect (measured). Log probabilities exist
// on some models that are not sold here.
const QWEN: Capabilities = {
  ...COMMON,
  temperature: within(0, 1.99),
  top_p: within(0.001, 1),
  presence_penalty: HONOURED,
  parallel_tool_calls: HONOURED,
  seed: { class: 'advisory', bounds: { min: 0, max: 2_147_483_647, outside: 'ignored' } },
};
/** In thinking neither JSON mode nor a forced tool. */
const QWEN_THINKING: Capabilities = {
  ...QWEN,
  'response_format=json_object': EMULATED,
  'tool_choice=function': EMULATED,
};
/** The families whose documents name `json_schema`. */
const QWEN_WITH_SCHEMAS: Capabilities = { ...QWEN, 'response_format=json_schema': HONOURED };

// Source: docs.bigmodel.cn, chat completion, 2026. Two decimals of temperature; one stop sequence on every model;
// `tool_choice` knows `auto` only.
const GLM: Capabilities = {
  ...COMMON,
  temperature: within(0, 1, 2),
  top_p: within(0.01, 1),
  stop: { class: 'emulated', nativeMax: 1 },
  'tool_choice=none': EMULATED,
  'tool_choice=function': EMULATED,
  user: HONOURED,
};
/** `response_format` is documented for text models only, and tools are not documented for these. */
const GLM_VISION: Capabilities = {
  ...GLM,
  'response_format=json_object': REFUSED,
  'response_format=json_schema': REFUSED,
  tools: REFUSED,
  'tools.function.strict': REFUSED,
  'tool_choice=none': REFUSED,
  'tool_choice=required': REFUSED,
  'tool_choice=function': REFUSED,
  parallel_tool_calls: REFUSED,
};

// Source: platform.minimax.io/docs, text-chat-openai, 2026. `stop`, `tool_choice` and `response_format` are not in the
// schema: nothing says that they act.
const MINIMAX: Capabilities = {
  ...COMMON,
  stop: EMULATED,
  'response_format=json_object': EMULATED,
  'tool_choice=none': EMULATED,
  'tool_choice=function': EMULATED,
};

const COLUMNS = [
  DEEPSEEK,
  DEEPSEEK_THINKING,
  QWEN,
  QWEN_THINKING,
  QWEN_WITH_SCHEMAS,
  GLM,
  GLM_VISION,
  MINIMAX,
];

/** The classes that a parameter has on one upstream model or another, each once. */
export const classesOf = (parameter: Parameter): readonly ParameterClass[] => [
  ...new Set(COLUMNS.map((column) => column[parameter].class)),
];

/** An upstream model as far as its capabilities depend on it. */
export interface UpstreamModel {
  readonly provider: ProviderId;
  readonly upstreamModel: string;
  /** The thinking switch of its channel. */
  readonly thinking: boolean | null;
}

const GLM_SEES = /^glm-\d(?:\.\d+)?v/;
const QWEN_KNOWS_SCHEMAS = /^qwen(?:3-max|-plus|-flash)(?:-\d|$)/;

/** The column of an upstream model. Columns are shared: equal ones are the same object. */
export const capabilitiesOf = ({ provider, upstreamModel, thinking }: UpstreamModel): Capabilities => {
  switch (provider) {
    case 'deepseek':
      // On unless it is switched off.
      return thinking === false ? DEEPSEEK : DEEPSEEK_THINKING;
    case 'qwen':
      if (thinking === true) return QWEN_THINKING;
      return QWEN_KNOWS_SCHEMAS.test(upstreamModel) ? QWEN_WITH_SCHEMAS : QWEN;
    case 'glm':
      return GLM_SEES.test(upstreamModel) ? GLM_VISION : GLM;
    case 'minimax':
      return MINIMAX;
  }
};
