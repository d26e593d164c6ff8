import { generateApiKey } from '@tunan/kernel';
import { member, type Answer, type Differences, type PlatformClient, type Probe } from './platform-client.js';
import {
  ANSWERS,
  CHAT_PARAMETERS,
  EMBEDDINGS_PARAMETERS,
  ERRORS,
  TEXT_MODELS,
  type ParameterFact,
} from './seed-facts.js';

const CHAT = '/v1/chat/completions';
const EMBEDDINGS = '/v1/embeddings';
const MODEL = TEXT_MODELS[0]!;

/** A request that is right in every member; each probe spoils one. */
const chatBody = { model: MODEL.id, messages: [{ role: 'user', content: 'Say hi.' }], max_tokens: 16 };
const embeddingsBody = { model: 'text-embedding-v3', input: 'hello' };

const WRONG_TYPE: Readonly<Record<ParameterFact['type'], unknown>> = {
  string: 5,
  array: 'text',
  number: '1',
  integer: '1',
  boolean: 'true',
  object: 'json_object',
  'string/array': 5,
};

/** Just outside the bounds of a parameter, with the value's description. */
const outside = (fact: ParameterFact): [string, unknown][] => {
  const values: [string, unknown][] = [[`of another type`, WRONG_TYPE[fact.type]]];
  const step = fact.type === 'integer' ? 1 : 0.01;
  if (fact.type === 'number' || fact.type === 'integer') {
    if (fact.min !== undefined) values.push([`below ${fact.min}`, fact.min - step]);
    // An integer without a documented maximum still ends at the model's context window.
    const max = fact.max ?? (fact.type === 'integer' ? MODEL.contextTokens : undefined);
    if (max !== undefined) values.push([`above ${max}`, max + step]);
    if (fact.type === 'integer') values.push(['with a fraction', (fact.min ?? 0) + 0.5]);
  } else if (fact.type === 'string/array' && fact.max !== undefined) {
    values.push([
      `of ${fact.max + 1} items`,
      Array.from({ length: fact.max + 1 }, (_, index) => `stop-${index}`),
    ]);
  }
  return values;
};

interface ErrorExpectation {
  readonly status: 400 | 401 | 404;
  readonly code: string;
  readonly param: string | null;
}

const checkError = (
  found: Differences,
  at: string,
  what: string,
  answer: Answer,
  expected: ErrorExpectation,
): void => {
  const row = ERRORS.find((fact) => fact.status === expected.status)!;
  const error = member(answer.json, 'error');
  const shown = {
    status: answer.status,
    type: member(error, 'type'),
    code: member(error, 'code'),
    param: member(error, 'param'),
  };
  found.equal(at, what, shown, {
    status: expected.status,
    type: row.type,
    code: expected.code,
    param: expected.param,
  });
  const members = Object.keys((error ?? {}) as object).sort();
  found.equal(ANSWERS.error.at, `members of the error for ${what}`, members, [
    'code',
    'message',
    'param',
    'type',
  ]);
  found.holds(at, `x-request-id of ${what}`, answer.headers.has('x-request-id'), null, 'always there');
};

const checkParameters = async (
  client: PlatformClient,
  found: Differences,
  path: string,
  body: object,
  facts: readonly ParameterFact[],
): Promise<void> => {
  for (const fact of facts) {
    if (fact.required) {
      const answer = await client.call({ path, body: { ...body, [fact.name]: undefined } });
      const expected = { status: 400, code: 'missing_required_parameter', param: fact.name } as const;
      checkError(found, fact.at, `${path} without ${fact.name}`, answer, expected);
    }
    for (const [what, value] of outside(fact)) {
      const answer = await client.call({ path, body: { ...body, [fact.name]: value } });
      const expected = { status: 400, code: 'invalid_value', param: fact.name } as const;
      checkError(found, fact.at, `${path} with ${fact.name} ${what}`, answer, expected);
    }
  }
};

const PROBES: readonly (readonly [string, Probe, ErrorExpectation])[] = [
  ['malformed JSON', { path: CHAT, body: '{"model":' }, { status: 400, code: 'invalid_json', param: null }],
  [
    'no key',
    { path: CHAT, body: chatBody, key: null },
    { status: 401, code: 'missing_api_key', param: null },
  ],
  [
    'a mistyped key',
    { path: CHAT, body: chatBody, key: 'sk-wrong' },
    { status: 401, code: 'invalid_api_key', param: null },
  ],
  [
    'an unknown model',
    { path: CHAT, body: { ...chatBody, model: 'no-such-model' } },
    { status: 404, code: 'model_not_found', param: 'model' },
  ],
  [
    'an unknown model by id',
    { path: '/v1/models/no-such-model' },
    { status: 404, code: 'model_not_found', param: 'model' },
  ],
  ['an unknown endpoint', { path: '/v1/no-such-endpoint' }, { status: 404, code: 'not_found', param: null }],
];

/**
 * Provokes the statuses that cost nothing: every parameter just outside its bounds, of another type or absent (400),
 * keys that are none (401), models and endpoints that do not exist (404).
 */
export const probeErrors = async (client: PlatformClient, found: Differences): Promise<void> => {
  for (const [what, probe, expected] of PROBES)
    checkError(found, 'Error Codes', what, await client.call(probe), expected);
  const unknown = await client.call({ path: '/v1/models', key: generateApiKey() });
  checkError(found, 'Error Codes', 'a key that does not exist', unknown, {
    status: 401,
    code: 'invalid_api_key',
    param: null,
  });
  found.equal(
    'Authentication',
    'WWW-Authenticate of a 401',
    unknown.headers.get('www-authenticate'),
    'Bearer',
  );
  await checkParameters(client, found, CHAT, chatBody, CHAT_PARAMETERS);
  await checkParameters(client, found, EMBEDDINGS, embeddingsBody, EMBEDDINGS_PARAMETERS);
};
