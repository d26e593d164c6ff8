/**
 * Every checkable statement of the product's API documentation, once, as data. `at` is the heading under which the
 * documentation makes it. Two checks read this table: `catalog-facts.spec.ts` compares `deploy/catalog.yaml` with it,
 * `platform-facts.ts` a running platform. Where the platform knowingly differs, `deviations.ts` says so and why.
 *
 * Prices are dollars per million tokens as decimal strings, exactly as printed there.
 */

/** A model of the text tables. `context` is the printed figure, `contextTokens` how we read it. */
export interface TextModelFact {
  readonly id: string;
  readonly provider: 'deepseek' | 'qwen' | 'glm' | 'minimax';
  readonly input: string;
  readonly output: string;
  readonly context: string;
  readonly contextTokens: number;
  readonly at: string;
}

const FLAGSHIP = 'Models & Pricing > Flagship Models';
const FAST = 'Models & Pricing > Fast & Affordable';
const SPECIALIZED = 'Models & Pricing > Specialized Models';

/** What the printed context sizes mean in tokens; the reasons are in `deviations.ts`. */
const CONTEXT_TOKENS = { '128K': 128_000, '197K': 196_608, '205K': 204_800, '1M': 1_000_000 } as const;

const text = (
  at: string,
  id: string,
  provider: TextModelFact['provider'],
  input: string,
  output: string,
  context: keyof typeof CONTEXT_TOKENS,
): TextModelFact => ({ id, provider, input, output, context, contextTokens: CONTEXT_TOKENS[context], at });

export const TEXT_MODELS: readonly TextModelFact[] = [
  text(FLAGSHIP, 'deepseek-chat', 'deepseek', '0.20', '0.40', '128K'),
  text(FLAGSHIP, 'deepseek-reasoner', 'deepseek', '2.50', '5.00', '128K'),
  text(FLAGSHIP, 'qwen3.7-max', 'qwen', '1.80', '5.40', '128K'),
  text(FLAGSHIP, 'minimax-m3', 'minimax', '0.43', '3.31', '1M'),
  text(FAST, 'qwen3.5-flash', 'qwen', '0.07', '0.22', '128K'),
  text(FAST, 'glm-4-flash', 'glm', '0.07', '0.22', '128K'),
  text(FAST, 'qwen3.7-plus', 'qwen', '0.58', '1.74', '128K'),
  text(FAST, 'glm-4-plus', 'glm', '1.80', '5.40', '128K'),
  text(SPECIALIZED, 'minimax-m2.5', 'minimax', '0.22', '1.65', '197K'),
  text(SPECIALIZED, 'minimax-m2.7', 'minimax', '0.29', '1.73', '205K'),
  text(SPECIALIZED, 'qwen-coder-plus', 'qwen', '0.58', '1.74', '128K'),
  text(SPECIALIZED, 'qwen-math-plus', 'qwen', '0.58', '1.74', '128K'),
];

/** A model without a documented price: `ours` is the price that we set. */
export interface UnpricedModelFact {
  readonly id: string;
  readonly provider: TextModelFact['provider'];
  readonly ours: { readonly input: string; readonly output: string };
  readonly at: string;
}

export const VISION_MODELS: readonly (UnpricedModelFact & { readonly contextTokens: number })[] = [
  {
    id: 'qwen-vl-max',
    provider: 'qwen',
    contextTokens: 128_000,
    ours: { input: '0.75', output: '4.20' },
    at: 'Vision',
  },
  {
    id: 'qwen-vl-plus',
    provider: 'qwen',
    contextTokens: 128_000,
    ours: { input: '0.25', output: '2.30' },
    at: 'Vision',
  },
  {
    id: 'glm-4v',
    provider: 'glm',
    contextTokens: 128_000,
    ours: { input: '0.45', output: '1.30' },
    at: 'Vision',
  },
];

export const EMBEDDING_MODELS: readonly (UnpricedModelFact & { readonly dimensions: number })[] = [
  {
    id: 'text-embedding-v3',
    provider: 'qwen',
    dimensions: 1024,
    ours: { input: '0.10', output: '0' },
    at: 'Embeddings',
  },
  {
    id: 'embedding-3',
    provider: 'glm',
    dimensions: 2048,
    ours: { input: '0.10', output: '0' },
    at: 'Embeddings',
  },
];

/** The model mapping, with the claimed saving in percent. */
export const MODEL_MAPPING = [
  { openai: 'gpt-4o', ours: 'deepseek-chat', savingPercent: 97, at: 'Model mapping' },
  { openai: 'gpt-4o-mini', ours: 'qwen3.5-flash', savingPercent: 90, at: 'Model mapping' },
  { openai: 'o1', ours: 'deepseek-reasoner', savingPercent: 95, at: 'Model mapping' },
  { openai: 'gpt-4-turbo', ours: 'qwen3.7-max', savingPercent: 93, at: 'Model mapping' },
] as const;

/** Aliases beyond the mapping: dated ids that OpenAI published for the mapped models, and CrewAI's default model. */
export const MORE_ALIASES: Readonly<Record<string, string>> = {
  'gpt-4o-2024-05-13': 'deepseek-chat',
  'gpt-4o-2024-08-06': 'deepseek-chat',
  'gpt-4o-2024-11-20': 'deepseek-chat',
  'gpt-4o-mini-2024-07-18': 'qwen3.5-flash',
  'o1-2024-12-17': 'deepseek-reasoner',
  'gpt-4-turbo-2024-04-09': 'qwen3.7-max',
  'gpt-4.1-mini': 'qwen3.5-flash',
};

/** Limits by tier. `tpm` is printed as "~500K". */
export const LIMITS = {
  free: { rpm: 60, tpm: 500_000, concurrency: 5, at: 'Rate Limits' },
  paid: { rpm: 60, tpm: 500_000, concurrency: 10, at: 'Rate Limits' },
} as const;

export const RATE_LIMIT_HEADERS = [
  { name: 'X-RateLimit-Limit', means: 'requests per minute', at: 'Rate limit headers' },
  { name: 'X-RateLimit-Remaining', means: 'requests that remain', at: 'Rate limit headers' },
  { name: 'X-RateLimit-Reset', means: 'Unix seconds of the reset', at: 'Rate limit headers' },
] as const;

export const TOP_UPS = [
  { name: 'Starter', price: '5', credits: '5.00', bonusPercent: 0, at: 'Pricing Tiers' },
  { name: 'Growth', price: '20', credits: '21.00', bonusPercent: 5, at: 'Pricing Tiers' },
  { name: 'Business', price: '50', credits: '55.00', bonusPercent: 10, at: 'Pricing Tiers' },
  { name: 'Enterprise', price: '100', credits: '115.00', bonusPercent: 15, at: 'Pricing Tiers' },
] as const;

/** Credit of a new account, in dollars. */
export const SIGNUP_GRANT = { usd: '0.50', at: 'Quick Start' } as const;

/** "1,000,000 units = $2". */
export const QUOTA = {
  units: 1_000_000n,
  usd: 2n,
  members: ['quota', 'used_quota'],
  at: 'Check your balance',
} as const;

export const AUTHENTICATION = {
  header: 'Authorization',
  scheme: 'Bearer',
  keyPrefix: 'sk-',
  at: 'Authentication',
} as const;

export const ENDPOINTS = [
  { method: 'POST', path: '/v1/chat/completions', at: 'Chat Completions' },
  { method: 'GET', path: '/v1/models', at: 'List Models' },
  { method: 'POST', path: '/v1/embeddings', at: 'Embeddings' },
  { method: 'GET', path: '/api/user/self', at: 'Check your balance' },
] as const;

/**
 * A row of a request body. `min` and `max` are inclusive bounds of a number, or of the number of items of `stop`.
 * `boundsFrom` is set where the documentation has no bound: `contract` = our wire contract, `openai` = OpenAI's API.
 * `default` is undefined where none is documented as a value ("auto", "—").
 */
export interface ParameterFact {
  readonly name: string;
  readonly type: 'string' | 'array' | 'number' | 'integer' | 'boolean' | 'object' | 'string/array';
  readonly required: boolean;
  readonly default?: number | boolean | null;
  readonly min?: number;
  readonly max?: number;
  readonly boundsFrom?: 'contract' | 'openai';
  readonly at: string;
}

const CHAT_BODY = 'Chat Completions > Request Body';
export const CHAT_PARAMETERS: readonly ParameterFact[] = [
  { name: 'model', type: 'string', required: true, at: CHAT_BODY },
  { name: 'messages', type: 'array', required: true, at: CHAT_BODY },
  { name: 'temperature', type: 'number', required: false, default: 1, min: 0, max: 2, at: CHAT_BODY },
  { name: 'max_tokens', type: 'integer', required: false, min: 1, boundsFrom: 'openai', at: CHAT_BODY },
  { name: 'stream', type: 'boolean', required: false, default: false, at: CHAT_BODY },
  {
    name: 'top_p',
    type: 'number',
    required: false,
    default: 1,
    min: 0,
    max: 1,
    boundsFrom: 'openai',
    at: CHAT_BODY,
  },
  { name: 'stop', type: 'string/array', required: false, default: null, max: 4, at: CHAT_BODY },
  { name: 'frequency_penalty', type: 'number', required: false, default: 0, min: -2, max: 2, at: CHAT_BODY },
  { name: 'presence_penalty', type: 'number', required: false, default: 0, min: -2, max: 2, at: CHAT_BODY },
  {
    name: 'n',
    type: 'integer',
    required: false,
    default: 1,
    min: 1,
    max: 8,
    boundsFrom: 'contract',
    at: CHAT_BODY,
  },
  { name: 'response_format', type: 'object', required: false, at: CHAT_BODY },
];

const EMBEDDINGS_BODY = 'Embeddings > Request Body';
export const EMBEDDINGS_PARAMETERS: readonly ParameterFact[] = [
  { name: 'model', type: 'string', required: true, at: EMBEDDINGS_BODY },
  { name: 'input', type: 'string/array', required: true, at: EMBEDDINGS_BODY },
];

/** Members that the printed answers have. */
export const ANSWERS = {
  chat: {
    object: 'chat.completion',
    members: ['id', 'object', 'created', 'model', 'choices', 'usage'],
    choice: ['index', 'message', 'finish_reason'],
    usage: ['prompt_tokens', 'completion_tokens', 'total_tokens'],
    idPrefix: 'chatcmpl-',
    at: 'Chat Completions > Response',
  },
  models: {
    object: 'list',
    entry: ['id', 'object', 'owned_by'],
    entryObject: 'model',
    at: 'List Models > Response',
  },
  stream: { data: 'data: ', last: 'data: [DONE]', at: 'Raw SSE format (cURL)' },
  error: { members: ['message', 'type', 'code'], at: 'Error response format' },
} as const;

/**
 * The error table. `title` is the printed "Type" column; `type` and `codes` are what the error object carries by our
 * wire contract. `probe` says whether `platform-facts.ts` can provoke the status without spending or breaking anything.
 */
export const ERRORS = [
  {
    status: 400,
    title: 'Bad Request',
    type: 'invalid_request_error',
    codes: ['invalid_json', 'invalid_value', 'missing_required_parameter', 'unsupported_parameter'],
    probe: true,
    at: 'Error Codes',
  },
  {
    status: 401,
    title: 'Unauthorized',
    type: 'invalid_request_error',
    codes: ['invalid_api_key', 'missing_api_key'],
    probe: true,
    at: 'Error Codes',
  },
  {
    status: 402,
    title: 'Insufficient Quota',
    type: 'insufficient_quota',
    codes: [402],
    probe: false,
    at: 'Error Codes',
  },
  {
    status: 404,
    title: 'Not Found',
    type: 'invalid_request_error',
    codes: ['model_not_found', 'not_found'],
    probe: true,
    at: 'Error Codes',
  },
  {
    status: 429,
    title: 'Rate Limited',
    type: 'rate_limit_error',
    codes: ['rate_limit_exceeded'],
    probe: false,
    at: 'Error Codes',
  },
  {
    status: 500,
    title: 'Server Error',
    type: 'server_error',
    codes: ['internal_error'],
    probe: false,
    at: 'Error Codes',
  },
  {
    status: 503,
    title: 'Unavailable',
    type: 'api_error',
    codes: ['upstream_unavailable', 'service_unavailable'],
    probe: false,
    at: 'Error Codes',
  },
] as const;

/** Which provider serves a model, and which backs it up. */
export const FAILOVER = {
  model: 'deepseek-chat',
  primary: 'deepseek',
  backup: 'qwen',
  at: 'Fallback & Routing',
} as const;
