import { FAULTS, type FaultCode, type FaultSpec } from '@tunan/kernel';
import { CHAT_PARAMETER_RULES, type ParameterRule } from './parameter-rules.js';

type Json = Readonly<Record<string, unknown>>;

/** Where the document is. */
export const OPENAPI_PATH = '/openapi.json';

/** What each operation does, by method and path. An operation without a line here is not described, and a test fails. */
const SUMMARIES: Readonly<Record<string, string>> = {
  'POST /v1/chat/completions': 'Answers a conversation, whole or as a stream of server-sent events',
  'POST /v1/embeddings': 'Turns texts, or token ids of cl100k_base, into vectors',
  'GET /v1/models': 'Lists the models that the key may use, with prices and capabilities',
  'GET /v1/models/:id': 'One model',
  'GET /v1/generations/:id': 'What a call cost and who served it',
  'GET /api/user/self': 'What is left and what was used, in quota units (500,000 = $1)',
  'GET /api/usage/token': 'The same for one key, in the form of new-api',
  'GET /v1/dashboard/billing/subscription': 'The credit limit, in the form of balance checkers',
  'GET /v1/dashboard/billing/usage': 'Lifetime use in cents, and costs by day',
  'GET /dashboard/billing/subscription': 'The credit limit, in the form of balance checkers',
  'GET /dashboard/billing/usage': 'Lifetime use in cents, and costs by day',
};

const REQUESTS: Readonly<Record<string, string>> = {
  '/v1/chat/completions': 'ChatRequest',
  '/v1/embeddings': 'EmbeddingsRequest',
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
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
    };
  };
  return Object.fromEntries(statuses.map((status) => [String(status), response(status)]));
};

const operation = (method: string, path: string, errors: Json): Json => {
  const parameters = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const request = REQUESTS[path];
  const types =
    path === '/v1/chat/completions' ? ['application/json', 'text/event-stream'] : ['application/json'];
  return {
    summary: SUMMARIES[`${method} ${path}`] ?? '',
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(request === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: { $ref: `#/components/schemas/${request}` } } },
          },
        }),
    responses: {
      '200': { description: 'OK', content: Object.fromEntries(types.map((type) => [type, {}])) },
      ...errors,
    },
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
      schemas: { ChatRequest: chatRequest, EmbeddingsRequest: embeddingsRequest, Error: errorSchema },
    },
  };
};
