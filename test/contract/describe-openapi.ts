import { beforeAll, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Platform } from '../e2e/topology.js';
import { newCustomer, type Customer } from './customer.js';

interface Content {
  readonly schema?: object;
}
interface Operation {
  readonly summary: string;
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, Content>>; readonly headers: object }>
  >;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** The same schema, but what it does not name is wrong: documented answers may grow, these are the ones of today. */
const closed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, closed(inner)]));
  return 'properties' in copy && !('additionalProperties' in copy)
    ? { ...copy, additionalProperties: false }
    : copy;
};

const FUNCTION = {
  name: 'get_tide',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
};
const TOOLS = { tools: [{ type: 'function', function: FUNCTION }] };
const USAGE = { stream: true, stream_options: { include_usage: true } };

/** Headers that say something of the call, but `x-accel-buffering`, which is for proxies. */
const PROMISED = /^(?:x-(?!accel)|openai-|retry-after|www-authenticate)/;

/** Real answers of the running platform, held against the document in which it describes them. */
export const describeOpenApi = (platform: () => Platform): void => {
  let customer: Customer;
  let document: Document;
  let ajv: Ajv2020;
  /** Operations that answered, with status and media type. */
  const seen = new Set<string>();

  /** The path of the document that a call goes to. */
  const templateOf = (path: string): string => {
    const [bare] = path.split('?');
    const template = Object.keys(document.paths).find((candidate) =>
      new RegExp(`^${candidate.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(bare!),
    );
    if (template === undefined) throw new Error(`${path} is not in the document`);
    return template;
  };

  const check = (schema: object, value: unknown, what: string): void => {
    const validate = ajv.compile(
      JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')) as object,
    );
    validate(value);
    expect([what, value, validate.errors]).toEqual([what, value, null]);
  };

  /** Calls the platform and holds status, media type and body against the document. */
  const call = async (
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number; readonly text: string; readonly headers: Headers }> => {
    const answer = await fetch(`${platform().apiUrl.replace(/\/v1$/, '')}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${customer.apiKey}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    const template = templateOf(path);
    const method = body === undefined ? 'get' : 'post';
    const [type] = answer.headers.get('content-type')!.split(';');
    const what = `${method} ${template} ${answer.status} ${type}`;
    const response = document.paths[template]![method]!.responses[String(answer.status)];
    const schema = response?.content[type!]?.schema;
    if (schema === undefined) throw new Error(`${what} is not described: ${text.slice(0, 500)}`);
    const promised = [...answer.headers.keys()].filter((name) => PROMISED.test(name));
    expect([what, Object.keys(response!.headers)]).toEqual([what, expect.arrayContaining(promised)]);
    seen.add(what);
    if (type === 'text/event-stream') {
      const events = text
        .split('\n\n')
        .filter((event) => event.startsWith('data: ') && event !== 'data: [DONE]')
        .map((event) => JSON.parse(event.slice('data: '.length)) as unknown);
      expect(events.length).toBeGreaterThan(0);
      for (const event of events) check(schema, event, what);
    } else check(schema, JSON.parse(text), what);
    return { status: answer.status, text, headers: answer.headers };
  };

  const chat = (directive: string, members: Readonly<Record<string, unknown>> = {}, headers = {}) =>
    call(
      '/v1/chat/completions',
      {
        model: 'deepseek-chat',
        messages: [{ role: 'user', content: `[[sim ${directive}]] Tell me of the sea.` }],
        ...members,
      },
      headers,
    );

  describe('the OpenAPI document', () => {
    beforeAll(async () => {
      customer = await newCustomer(platform());
      const answer = await fetch(platform().apiUrl.replace(/\/v1$/, '/openapi.json'));
      document = (await answer.json()) as Document;
      ajv = new Ajv2020({ allErrors: true, strictSchema: false, validateFormats: false });
      ajv.addSchema({ components: closed(document.components) } as object, 'document');
    });

    it('is OpenAPI 3.1', async () => {
      const { valid, errors } = await new Validator().validate(
        document as unknown as Record<string, unknown>,
      );
      expect(errors).toBeUndefined();
      expect(valid).toBe(true);
    });

    it('notices an answer that it does not describe', () => {
      const schema = { $ref: '#/components/schemas/Usage' };
      const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, cost: 0.1 };
      const details = {
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 0 },
      };
      check(schema, { ...usage, ...details }, 'a usage');
      for (const wrong of [usage, { ...usage, ...details, cost: '0.1' }, { ...usage, ...details, price: 1 }])
        expect(() => check(schema, wrong, 'another')).toThrow();
    });

    it.each([
      ['a text', '', {}],
      ['several', '', { n: 2 }],
      ['thinking', '', { model: 'deepseek-reasoner' }],
      ['tool calls', 'tool=get_tide tool_calls=2', TOOLS],
      ['a function call', 'tool=get_tide', { functions: [FUNCTION] }],
      ['log probabilities', '', { logprobs: true, top_logprobs: 2 }],
      ['an answer that was cut', 'tokens=50', { max_tokens: 5 }],
      ['an answer of another provider', '', { model: 'minimax-m2.7', stop: ['zebra'] }],
    ] as const)('describes %s, whole and streamed', async (_what, directive, members) => {
      expect((await chat(directive, members)).status).toBe(200);
      expect((await chat(directive, { ...members, stream: true })).status).toBe(200);
      const { text } = await chat(directive, { ...members, ...USAGE });
      expect(text).toMatch(/"usage":\{[^\n]*"cost":/);
      expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    });

    it('describes a stream whose headers go out before its provider is known, and one that is estimated', async () => {
      const early = await chat('first_delay_ms=2500', USAGE, { 'x-stainless-timeout': '2' });
      expect(early.text).toContain('"tunan":{"provider"');
      const { text } = await chat('tokens=40 usage=missing', USAGE);
      expect(text).toContain('"cost":');
    });

    it('describes a stream that fails', async () => {
      const { text } = await chat('tokens=40 fault=cut:5:reset', { stream: true });
      expect(text).toMatch(/data: \{"error":\{[^\n]*\}\}\n\n$/);
    });

    it.each(['text-embedding-v3', 'embedding-3'])('describes embeddings of %s', async (model) => {
      for (const format of ['float', 'base64'])
        await call('/v1/embeddings', { model, input: ['a', 'b'], encoding_format: format });
    });

    it('describes models and what calls cost', async () => {
      await call('/v1/models');
      await call('/v1/models/text-embedding-v3');
      await call('/v1/models/gpt-4o');
      const { text, headers } = await chat('');
      await call(`/v1/generations/${(JSON.parse(text) as { id: string }).id}`);
      await call(`/v1/generations/${headers.get('x-request-id')}`);
      const embedded = await call('/v1/embeddings', { model: 'embedding-3', input: 'a' });
      await call(`/v1/generations/${embedded.headers.get('x-request-id')}`);
    });

    it('describes what is left and what was used, of accounts and of keys with terms of their own', async () => {
      const { apiKey } = await platform().cli<{ apiKey: string }>(
        ...['key', 'create', '--account', customer.accountId, '--cap', '1', '--models', 'deepseek-chat'],
        ...['--expires', new Date(Date.now() + 86_400_000).toISOString()],
      );
      for (const key of [customer.apiKey, apiKey]) {
        const headers = { authorization: `Bearer ${key}` };
        await call('/api/user/self', undefined, headers);
        await call('/api/usage/token', undefined, headers);
        for (const prefix of ['/v1', '']) {
          await call(`${prefix}/dashboard/billing/subscription`, undefined, headers);
          const dates = '?start_date=2026-01-01&end_date=2099-01-01';
          await call(`${prefix}/dashboard/billing/usage${dates}`, undefined, headers);
        }
      }
    });

    it('describes errors', async () => {
      const poor = await newCustomer(platform(), { credit: '0.000001' });
      const narrow = await newCustomer(platform(), { rpm: 1 });
      const { apiKey: only } = await platform().cli<{ apiKey: string }>(
        ...['key', 'create', '--account', customer.accountId, '--models', 'glm-4-plus'],
      );
      const as = (key: string) => ({ authorization: `Bearer ${key}` });
      const met: number[] = [];
      const meet = async (answer: Promise<{ readonly status: number }>): Promise<void> =>
        void met.push((await answer).status);
      await meet(chat('', { temperature: 3 }));
      await meet(call('/v1/chat/completions', '{'));
      await meet(chat('', {}, as('sk-wrong')));
      await meet(chat('', {}, as(poor.apiKey)));
      await meet(chat('', {}, as(only)));
      await meet(chat('', { model: 'gpt-9' }));
      await meet(call('/v1/models/gpt-9'));
      await meet(call('/v1/generations/none'));
      await meet(chat('', {}, { 'content-type': 'text/plain' }));
      await chat('', {}, as(narrow.apiKey));
      await meet(chat('', {}, as(narrow.apiKey)));
      await meet(chat('fault=error:500', { model: 'deepseek-reasoner' }));
      await meet(chat('fault=html:504', { model: 'deepseek-reasoner', stream: true }));
      await meet(chat('fault=error:503', { model: 'deepseek-reasoner' }));
      expect(met).toEqual([400, 400, 401, 402, 403, 404, 404, 404, 415, 429, 502, 504, 503]);
    });

    it('asks every operation for a key', async () => {
      for (const [path, operations] of Object.entries(document.paths))
        for (const [method, { summary }] of Object.entries(operations)) {
          expect([path, summary]).not.toEqual([path, '']);
          const url = `${platform().apiUrl.replace(/\/v1$/, '')}${path.replace(/\{\w+\}/, 'x')}`;
          const { status } = await fetch(url, { method: method.toUpperCase() });
          expect([path, status]).toEqual([path, 401]);
        }
    });

    // Guarantee: nothing is described that has not been looked at by the tests above.
    it('describes success as it is, of every operation', () => {
      const expected = Object.entries(document.paths).flatMap(([path, operations]) =>
        Object.entries(operations).flatMap(([method, { responses }]) =>
          Object.keys(responses['200']!.content).map((type) => `${method} ${path} 200 ${type}`),
        ),
      );
      expect(expected.filter((what) => !seen.has(what))).toEqual([]);
    });
  });
};
