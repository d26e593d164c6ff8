import { FAULTS, type FaultCode, type FaultSpec } from '@tunan/kernel';
import { answerSchemas, type AnswerName } from './answers.js';
import { CHAT_PARAMETER_RULES, type ParameterRule } from './parameter-rules.js';

type Json = Readonly<Record<string, unknown>>;

/** Where the document is. */
export const OPENAPI_PATH = '/openapi.json';

const SCHEMAS = '#/components/schemas/';
const ref = (name: string): Json => ({ $ref: `${SCHEMAS}${name}` });

interface Described {
  readonly summary: string;
  readonly request?: 'ChatRequest' | 'EmbeddingsRequest';
  readonly answer: AnswerName;
  readonly query?: readonly string[];
}

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
  },
  'POST /v1/embeddings': {
    summary: 'Turns texts, or token ids of cl100k_base, into vectors',
    request: 'EmbeddingsRequest',
    answer: 'Embeddings',
  },
  'GET /v1/models': {
    summary: 'Lists the models that the key may use, with prices and capabilities',
    answer: 'ModelList',
  },
  'GET /v1/models/:id': { summary: 'One model', answer: 'Model' },
  'GET /v1/generations/:id': { summary: 'What a call cost and who served it', answer: 'Generation' },
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

const ruleSchema = (rule: ParameterRule): Json => {
  switch (rule.type) {
    case 'number':
    case 'integer':
      return { type: [rule.type, 'null'], minimum: rule.min, maximum: rule.max };
    case 'string':
      return { type: ['string', 'null'], maxLength: rule.charsMax };
    case 'boolean':
      return { type: ['boolean', 'null'] };
    case 'choice':
      return { enum: [...rule.values, null] };
  }
};

const chatRequest: Json = {
  type: 'object',
  required: ['model', 'messages'],
  properties: {
    model: { type: 'string', minLength: 1 },
    messages: { type: 'array', minItems: 1, maxItems: 2_048, items: { type: 'object', required: ['role'] } },
    ...Object.fromEntries(
      Object.entries(CHAT_PARAMETER_RULES).map(([name, rule]) => [name, ruleSchema(rule)]),
    ),
    stop: { type: ['string', 'array', 'null'], maxItems: 4 },
    stream_options: { type: ['object', 'null'], properties: { include_usage: { type: 'boolean' } } },
    response_format: { type: ['object', 'null'], required: ['type'] },
    tools: { type: ['array', 'null'], maxItems: 128 },
    tool_choice: { type: ['string', 'object', 'null'] },
    functions: { type: ['array', 'null'], maxItems: 128, deprecated: true },
    function_call: { type: ['string', 'object', 'null'], deprecated: true },
    metadata: { type: ['object', 'null'], maxProperties: 16 },
  },
};

const embeddingsRequest: Json = {
  type: 'object',
  required: ['model', 'input'],
  properties: {
    model: { type: 'string', minLength: 1 },
    input: { type: ['string', 'array'], minLength: 1, minItems: 1 },
    dimensions: { type: ['integer', 'null'] },
    encoding_format: { enum: ['float', 'base64', null] },
    user: { type: ['string', 'null'] },
  },
};

/** Faults that a client can see. */
const PUBLIC_FAULTS: readonly FaultSpec[] = (Object.keys(FAULTS) as FaultCode[])
  .filter((code) => code !== 'client_closed')
  .map((code) => FAULTS[code]);

const errorSchema: Json = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code'],
      properties: {
        message: { type: 'string' },
        type: { enum: [...new Set(PUBLIC_FAULTS.map(({ type }) => type))] },
        param: { type: ['string', 'null'] },
        code: { enum: [...new Set(PUBLIC_FAULTS.map(({ code }) => code))] },
      },
    },
  },
};

/** An answer per status of the error table; the codes that it may have stand in its description. */
const errorResponses = (): Json => {
  const statuses = [...new Set(PUBLIC_FAULTS.map(({ status }) => status))].sort((a, b) => a - b);
  const response = (status: number): Json => {
    const codes = PUBLIC_FAULTS.flatMap((spec) => (spec.status === status ? [String(spec.code)] : []));
    return {
      description: [...new Set(codes)].join(', '),
      content: { 'application/json': { schema: ref('Error') } },
    };
  };
  return Object.fromEntries(statuses.map((status) => [String(status), response(status)]));
};

const STREAM =
  'Server-sent events, each with one of these as its data. `[DONE]` is the last one, and only after success; lines that begin with a colon are keep-alives.';

/** The successful answer: a chat has two forms of it. */
const success = (answer: AnswerName): Json => ({
  description: answer === 'ChatCompletion' ? `The answer; with \`stream\`: ${STREAM}` : 'OK',
  content: {
    'application/json': { schema: ref(answer) },
    ...(answer === 'ChatCompletion'
      ? { 'text/event-stream': { schema: { anyOf: [ref('ChatCompletionChunk'), ref('Error')] } } }
      : {}),
  },
});

const operation = (method: string, path: string, errors: Json): Json => {
  const described = OPERATIONS[`${method} ${path}`];
  if (described === undefined) throw new Error(`${method} ${path} is not described`);
  const { summary, request, answer, query = [] } = described;
  const parameters = [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...query.map((name) => ({ name, in: 'query', schema: { type: 'string', format: 'date' } })),
  ];
  return {
    summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(request === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: ref(request) } } } }),
    responses: { '200': success(answer), ...errors },
  };
};

/** The OpenAPI 3.1 document of these endpoints, from the tables that requests are checked and refused by. */
export const openApiDocument = (
  endpoints: readonly { readonly method: string; readonly path: string }[],
): Json => {
  const errors = errorResponses();
  const paths: Record<string, Record<string, Json>> = {};
  for (const { method, path } of endpoints) {
    const template = path.replaceAll(/:(\w+)/g, '{$1}');
    (paths[template] ??= {})[method.toLowerCase()] = operation(method, path, errors);
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
      schemas: {
        ChatRequest: chatRequest,
        EmbeddingsRequest: embeddingsRequest,
        Error: errorSchema,
        ...answerSchemas(SCHEMAS),
      },
    },
  };
};
