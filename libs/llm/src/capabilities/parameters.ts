/**
 * What a request can ask for, one row of the capability table each. Members whose values differ in kind have a row per
 * kind, in the notation `member=value`.
 */
export const PARAMETERS = [
  'temperature',
  'top_p',
  'max_tokens',
  'max_completion_tokens',
  'stream',
  'stop',
  'frequency_penalty',
  'presence_penalty',
  'n',
  'response_format=json_object',
  'response_format=json_schema',
  'tools',
  'tools.function.strict',
  'tool_choice=none',
  'tool_choice=required',
  'tool_choice=function',
  'parallel_tool_calls',
  'seed',
  'logprobs',
  'top_logprobs',
  'reasoning_effort',
  'user',
  'metadata',
  'store',
  'service_tier',
  'prompt_cache_key',
  'verbosity',
  'logit_bias',
  'audio',
  'modalities',
  'prediction',
  'detail',
] as const;

export type Parameter = (typeof PARAMETERS)[number];

/** One parameter that a request sets to another value than the documented default. */
export interface ParameterUse {
  /** Undefined for a member that nobody documents. */
  readonly parameter: Parameter | undefined;
  /** The member as a client knows it. */
  readonly member: string;
  readonly value: unknown;
}

type Reader = (value: unknown) => readonly ParameterUse[];

const NONE: readonly ParameterUse[] = [];

/** A member that is one parameter, and the values by which it says nothing. */
const member =
  (parameter: Parameter, isDefault: (value: unknown) => boolean): Reader =>
  (value) =>
    isDefault(value) ? NONE : [{ parameter, member: parameter, value }];

const is =
  (...defaults: readonly unknown[]) =>
  (value: unknown): boolean =>
    defaults.includes(value);
const isEmpty = (value: unknown): boolean => typeof value === 'object' && Object.keys(value!).length === 0;
const never = (): boolean => false;

const responseFormat: Reader = (value) => {
  const { type } = value as { readonly type?: unknown };
  if (type !== 'json_object' && type !== 'json_schema') return NONE;
  return [{ parameter: `response_format=${type}`, member: 'response_format', value }];
};

const tools: Reader = (value) => {
  if (!Array.isArray(value) || value.length === 0) return NONE;
  const strict = value.some(
    (tool: { readonly function?: { readonly strict?: unknown } } | null) => tool?.function?.strict === true,
  );
  const uses: ParameterUse[] = [{ parameter: 'tools', member: 'tools', value }];
  if (strict) uses.push({ parameter: 'tools.function.strict', member: 'tools.function.strict', value: true });
  return uses;
};

/** The forms of the time before `tools` are what they are translated to. */
const functions: Reader = (value) =>
  Array.isArray(value) && value.length > 0 ? [{ parameter: 'tools', member: 'functions', value }] : NONE;

const functionCall: Reader = (value) => {
  if (value === 'auto') return NONE;
  const parameter = value === 'none' ? 'tool_choice=none' : 'tool_choice=function';
  return [{ parameter, member: 'function_call', value }];
};

/** Of messages only `detail` of an image is a parameter. */
const messages: Reader = (value) => {
  for (const { content } of value as readonly { readonly content?: unknown }[]) {
    // Most content is a string.
    if (!Array.isArray(content)) continue;
    for (const part of content as readonly { readonly image_url?: { readonly detail?: unknown } }[]) {
      const detail = part.image_url?.detail ?? 'auto';
      if (detail !== 'auto') return [{ parameter: 'detail', member: 'detail', value: detail }];
    }
  }
  return NONE;
};

const toolChoice: Reader = (value) => {
  if (value === 'auto') return NONE;
  const parameter =
    value === 'none' ? 'tool_choice=none' : value === 'required' ? 'tool_choice=required' : undefined;
  return [{ parameter: parameter ?? 'tool_choice=function', member: 'tool_choice', value }];
};

/** Members that other rules judge: the request's shape, and thinking, which belongs to the model. */
const structural: Reader = () => NONE;

const READERS: Readonly<Record<string, Reader>> = {
  model: structural,
  messages,
  stream: structural,
  stream_options: structural,
  functions,
  function_call: functionCall,
  thinking: structural,
  enable_thinking: structural,
  thinking_budget: structural,
  max_tokens: structural,
  max_completion_tokens: structural,
  temperature: member('temperature', is(1)),
  top_p: member('top_p', is(1)),
  stop: member('stop', never),
  frequency_penalty: member('frequency_penalty', is(0)),
  presence_penalty: member('presence_penalty', is(0)),
  n: member('n', is(1)),
  response_format: responseFormat,
  tools,
  tool_choice: toolChoice,
  parallel_tool_calls: member('parallel_tool_calls', is(true)),
  seed: member('seed', never),
  logprobs: member('logprobs', is(false)),
  top_logprobs: member('top_logprobs', is(0)),
  // `none` is what models that never think do; models that always think refuse it elsewhere.
  reasoning_effort: member('reasoning_effort', is('none')),
  user: member('user', never),
  metadata: member('metadata', isEmpty),
  store: member('store', is(false)),
  service_tier: member('service_tier', is('auto', 'default')),
  prompt_cache_key: member('prompt_cache_key', never),
  verbosity: member('verbosity', is('medium')),
  logit_bias: member('logit_bias', isEmpty),
  audio: member('audio', never),
  modalities: member('modalities', (value) => Array.isArray(value) && value.every(is('text'))),
  prediction: member('prediction', never),
};

/**
 * The parameters that a request sets, as far as their class matters: those with the documented default, and `null`, say
 * nothing and are left out.
 */
export const usedParameters = (request: Readonly<Record<string, unknown>>): readonly ParameterUse[] => {
  let uses: ParameterUse[] | undefined;
  for (const name in request) {
    const value = request[name];
    if (value == null) continue;
    const read = Object.hasOwn(READERS, name) ? READERS[name]!(value) : unknownMember(name, value);
    if (read.length > 0) (uses ??= []).push(...read);
  }
  return uses ?? NONE;
};

const unknownMember: (name: string, value: unknown) => readonly ParameterUse[] = (name, value) => [
  { parameter: undefined, member: name, value },
];
