import { FAULTS, type FaultCode } from '@tunan/kernel';
import { answerSchemas, type AnswerName } from './answers.js';
import { SECONDS_MAX, SECONDS_MIN } from './client-timeouts.js';
import { PROMISED_HEADERS } from './cors.js';
import { IDEMPOTENCY_KEY_CHARS_MAX } from './idempotency-key.js';
import { requestSchemas } from './request-schemas.js';

type Json = Readonly<Record<string, unknown>>;

/** Where the document is. */
export const OPENAPI_PATH = '/openapi.json';

const SCHEMAS = '#/components/schemas/';
const ref = (name: string): Json => ({ $ref: `${SCHEMAS}${name}` });

type HeaderName = (typeof PROMISED_HEADERS)[number];

interface Described {
  readonly summary: string;
  readonly request?: 'ChatRequest' | 'EmbeddingsRequest';
  readonly answer: AnswerName;
  readonly query?: readonly string[];
  /** Faults that it has beyond those that every operation has. */
  readonly faults?: readonly FaultCode[];
  /** Headers of its success beyond those that every answer has. */
  readonly headers?: readonly HeaderName[];
}

/** Whatever is asked: the key, the way here, limits, and ourselves. */
const ALWAYS: readonly FaultCode[] = [
  'invalid_value',
  'missing_api_key',
  'invalid_api_key',
  'request_timeout',
  'url_too_long',
  'unsupported_expectation',
  'rate_limit_exceeded',
  'headers_too_large',
  'internal_error',
  'service_unavailable',
];
/** What costs something has a body, is admitted, and is asked of a provider. */
const PAID: readonly FaultCode[] = [
  'invalid_json',
  'missing_required_parameter',
  'context_length_exceeded',
  'insufficient_quota',
  'model_not_allowed',
  'account_suspended',
  'email_unverified',
  'key_cap_reached',
  'model_not_found',
  'idempotency_in_progress',
  'answer_not_stored',
  'idempotency_key_reused',
  'request_too_large',
  'unsupported_media_type',
  'upstream_error',
  'upstream_overloaded',
  'upstream_timeout',
];
const SERVED: readonly HeaderName[] = [
  'x-tunan-attempts',
  'x-tunan-fallback',
  'x-tunan-provider',
  'x-tunan-replayed',
  'x-tunan-upstream-model',
];

const SUBSCRIPTION: Described = {
  summary: 'The credit limit, in the form of balance checkers',
  answer: 'BillingSubscription',
};
const USAGE: Described = {
  summary: 'Lifetime use in cents, and costs by day',
  answer: 'BillingUsage',
  query: ['start_date', 'end_date'],
};

/** What each operation does, by method and path. An operation that is missing here stops the process at its start. */
const OPERATIONS: Readonly<Record<string, Described>> = {
  'POST /v1/chat/completions': {
    summary: 'Answers a conversation, whole or as a stream of server-sent events',
    request: 'ChatRequest',
    answer: 'ChatCompletion',
    faults: [
      ...PAID,
      'unsupported_parameter',
      'content_filter',
      'upstream_stream_cut',
      'structured_output_failed',
    ],
    headers: [...SERVED, 'x-tunan-adapted', 'x-tunan-alias', 'x-tunan-max-tokens'],
  },
  'POST /v1/embeddings': {
    summary: 'Turns texts, or token ids of cl100k_base, into vectors',
    request: 'EmbeddingsRequest',
    answer: 'Embeddings',
    faults: PAID,
    headers: SERVED,
  },
  'GET /v1/models': {
    summary: 'Lists the models that the key may use, with prices and capabilities',
    answer: 'ModelList',
  },
  'GET /v1/models/:id': {
    summary: 'One model',
    answer: 'Model',
    faults: ['model_not_found'],
    headers: ['x-tunan-alias'],
  },
  'GET /v1/generations/:id': {
    summary: 'What a call cost and who served it',
    answer: 'Generation',
    faults: ['not_found'],
  },
  'GET /api/user/self': {
    summary: 'What is left and what was used, in quota units (500,000 = $1)',
    answer: 'UserSelf',
  },
  'GET /api/usage/token': { summary: 'The same for one key, in the form of new-api', answer: 'TokenUsage' },
  'GET /v1/dashboard/billing/subscription': SUBSCRIPTION,
  'GET /v1/dashboard/billing/usage': USAGE,
  'GET /dashboard/billing/subscription': SUBSCRIPTION,
  'GET /dashboard/billing/usage': USAGE,
};

/** Faults that a client can see. */
const PUBLIC_FAULTS = (Object.keys(FAULTS) as FaultCode[]).filter((code) => code !== 'client_closed');

const errorSchema: Json = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code'],
      properties: {
        message: { type: 'string' },
        type: { enum: [...new Set(PUBLIC_FAULTS.map((fault) => FAULTS[fault].type))] },
        param: { type: ['string', 'null'] },
        code: { enum: [...new Set(PUBLIC_FAULTS.map((fault) => FAULTS[fault].code))] },
      },
    },
  },
};

const WHOLE_NUMBER: Json = { type: 'integer', minimum: 0 };
const TEXT: Json = { type: 'string' };
const SPAN = 'As a span: `12ms`, `1s`, `6m0s`';

/** What each response header says. */
const HEADERS: Readonly<Record<HeaderName, readonly [string, Json]>> = {
  'x-request-id': ['The id of the request, by which `/v1/generations/{id}` finds it', TEXT],
  'x-client-request-id': ['The X-Client-Request-Id of the request, if it is short and printable', TEXT],
  'x-ratelimit-limit': ['Requests a minute', WHOLE_NUMBER],
  'x-ratelimit-remaining': ['Requests that are left now', WHOLE_NUMBER],
  'x-ratelimit-reset': ['When the whole limit is there again: Unix time in seconds', WHOLE_NUMBER],
  'x-ratelimit-limit-requests': ['As x-ratelimit-limit', WHOLE_NUMBER],
  'x-ratelimit-remaining-requests': ['As x-ratelimit-remaining', WHOLE_NUMBER],
  'x-ratelimit-reset-requests': [SPAN, TEXT],
  'x-ratelimit-limit-tokens': ['Tokens a minute', WHOLE_NUMBER],
  'x-ratelimit-remaining-tokens': ['Tokens that are left now', WHOLE_NUMBER],
  'x-ratelimit-reset-tokens': [SPAN, TEXT],
  'x-should-retry': [
    'What SDKs should do, where their own rule for the status is wrong',
    { type: 'boolean' },
  ],
  'x-tunan-adapted': [
    'Members that were not sent as they were given: `seed=ignored, temperature=1.0`. Of many that are not known, the first, and at last `and 7 more`',
    TEXT,
  ],
  'x-tunan-alias': ['The name that was asked for, where it is an alias', TEXT],
  'x-tunan-attempts': ['Calls to providers that it took', WHOLE_NUMBER],
  'x-tunan-fallback': ['Whether a backup channel has answered', { type: 'boolean' }],
  'x-tunan-max-tokens': [
    'The limit of output that the credit allowed, where none was asked for',
    WHOLE_NUMBER,
  ],
  'x-tunan-provider': ['Who has answered; of streams that had to begin before, `usage.tunan` says it', TEXT],
  'x-tunan-replayed': ['Whether this is a kept answer to the same Idempotency-Key', { type: 'boolean' }],
  'x-tunan-upstream-model': ["The provider's name of the model", TEXT],
  'openai-processing-ms': ['Milliseconds until the headers', WHOLE_NUMBER],
  'retry-after': ['Seconds after which such a request will be admitted', WHOLE_NUMBER],
  'retry-after-ms': ['The same in milliseconds', WHOLE_NUMBER],
  'www-authenticate': ['`Bearer`', TEXT],
};

const EVERYWHERE = PROMISED_HEADERS.filter((name) =>
  /^x-(?:client-)?request-id|^x-ratelimit-|^openai-/.test(name),
);

const headers = (more: readonly HeaderName[]): Json =>
  Object.fromEntries(
    [...EVERYWHERE, ...more].map((name) => [name, { $ref: `#/components/headers/${name}` }]),
  );

/** Headers of error statuses beyond those that every answer has. */
const errorHeaders = (status: number): readonly HeaderName[] => {
  if (status === 401) return ['www-authenticate'];
  return status === 402 || status === 409 || status === 422 || status === 429 || status >= 500
    ? ['x-should-retry', 'retry-after', 'retry-after-ms']
    : [];
};

/** An answer per status that these faults have; the codes that it may have stand in its description. */
const errorResponses = (faults: readonly FaultCode[]): Json => {
  const specs = faults.map((fault) => FAULTS[fault]);
  const statuses = [...new Set(specs.map(({ status }) => status))].sort((a, b) => a - b);
  const response = (status: number): Json => ({
    description: [
      ...new Set(specs.flatMap((spec) => (spec.status === status ? [String(spec.code)] : []))),
    ].join(', '),
    headers: headers(errorHeaders(status)),
    content: { 'application/json': { schema: ref('Error') } },
  });
  return Object.fromEntries(statuses.map((status) => [String(status), response(status)]));
};

const CLIENT_REQUEST_ID: Json = {
  name: 'X-Client-Request-Id',
  in: 'header',
  description: 'Comes back if it is short and printable',
  schema: TEXT,
};
const PAID_HEADERS: readonly Json[] = [
  {
    name: 'Idempotency-Key',
    in: 'header',
    description: 'The same key and body within 24 hours are the same request: answered once, charged once',
    schema: { type: 'string', minLength: 1, maxLength: IDEMPOTENCY_KEY_CHARS_MAX },
  },
  {
    name: 'x-tunan-timeout',
    in: 'header',
    description: 'Seconds for the whole answer; other values are ignored',
    schema: { type: 'number', minimum: SECONDS_MIN, maximum: SECONDS_MAX },
  },
];
const STRICT: Json = {
  name: 'x-tunan-strict-params',
  in: 'header',
  description: 'With `true`, advisory members that would not be sent as they are given are refused',
  schema: TEXT,
};

const STREAM =
  'Server-sent events, each with one of these as its data. `[DONE]` is the last one, and only after success; lines that begin with a colon are keep-alives.';

/** The successful answer: a chat has two forms of it. */
const success = ({ answer, headers: more = [] }: Described): Json => ({
  description: answer === 'ChatCompletion' ? `The answer; with \`stream\`: ${STREAM}` : 'OK',
  headers: headers(more),
  content: {
    'application/json': { schema: ref(answer) },
    ...(answer === 'ChatCompletion'
      ? { 'text/event-stream': { schema: { anyOf: [ref('ChatCompletionChunk'), ref('Error')] } } }
      : {}),
  },
});

const operation = (method: string, path: string): Json => {
  const described = OPERATIONS[`${method} ${path}`];
  if (described === undefined) throw new Error(`${method} ${path} is not described`);
  const { summary, request, query = [], faults = [] } = described;
  return {
    summary,
    parameters: [
      ...[...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
        name,
        in: 'path',
        required: true,
        schema: TEXT,
      })),
      ...query.map((name) => ({ name, in: 'query', schema: { type: 'string', format: 'date' } })),
      CLIENT_REQUEST_ID,
      ...(request === undefined ? [] : PAID_HEADERS),
      ...(request === 'ChatRequest' ? [STRICT] : []),
    ],
    ...(request === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: ref(request) } } } }),
    responses: { '200': success(described), ...errorResponses([...ALWAYS, ...faults]) },
  };
};

/** The OpenAPI 3.1 document of these endpoints, from the tables that requests are checked and refused by. */
export const openApiDocument = (
  endpoints: readonly { readonly method: string; readonly path: string }[],
): Json => {
  const paths: Record<string, Record<string, Json>> = {};
  for (const { method, path } of endpoints) {
    const template = path.replaceAll(/:(\w+)/g, '{$1}');
    (paths[template] ??= {})[method.toLowerCase()] = operation(method, path);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tunan',
      version: '1',
      description: 'One OpenAI-compatible API to DeepSeek, Qwen, GLM and MiniMax.',
    },
    security: [{ apiKey: [] }],
    paths,
    components: {
      securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } },
      headers: Object.fromEntries(
        Object.entries(HEADERS).map(([name, [description, schema]]) => [name, { description, schema }]),
      ),
      schemas: {
        ...requestSchemas(SCHEMAS),
        Error: errorSchema,
        ...answerSchemas(SCHEMAS),
      },
    },
  };
};
