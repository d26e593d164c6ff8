import { beforeAll, describe, expect, it } from '@jest/globals';
import { ChatOpenAI } from '@langchain/openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { newCustomer, type Customer } from '../contract/customer.js';
import type { Platform } from '../e2e/topology.js';
import { TEXT_MODELS } from '../facts/seed-facts.js';
import { callsOf, chat, contentOf, usedQuota } from './front-door.js';
import { endedCalls, newNonce, script } from './upstream-calls.js';

const recipe = z.object({
  name: z.string(),
  minutes: z.int().min(1).max(240),
  steps: z.array(z.object({ text: z.string(), optional: z.boolean() })).min(1),
  kind: z.enum(['raw', 'grilled']),
});
const PERSON = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0 } },
  required: ['name', 'age'],
  additionalProperties: false,
};
const TREE = {
  type: 'object',
  properties: { id: { type: 'string' }, next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
  required: ['id', 'next'],
  additionalProperties: false,
};
const person = (schema: object = PERSON) => ({
  type: 'json_schema',
  json_schema: { name: 'person', strict: true, schema },
});
const weather = (name: string) => ({
  type: 'function',
  function: {
    name,
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
});

/** A model of each way in which forms are asked for. */
const EACH_DIALECT = ['deepseek-chat', 'deepseek-reasoner', 'qwen3.7-plus', 'glm-4-plus', 'minimax-m3'];

/** Schemas and forced tools on every text model, whether its provider has them or not. */
export const describeStructuredOutput = (platform: () => Platform): void => {
  let customer: Customer;
  beforeAll(async () => {
    customer = await newCustomer(platform());
  });

  const used = (): Promise<number> => usedQuota(platform(), customer.apiKey);
  const ask = (model: string, nonce: string, members: Record<string, unknown>) => {
    const content = `[[sim nonce=${nonce}]] Who caught the fish?`;
    return chat(platform(), customer.apiKey, { model, messages: [{ role: 'user', content }], ...members });
  };

  describe.each(TEXT_MODELS)('structured output of $id', ({ id: model }) => {
    it.each([undefined, 'functionCalling'] as const)(
      'serves LangChain’s withStructuredOutput, method %s',
      async (method) => {
        const llm = new ChatOpenAI({
          model,
          apiKey: customer.apiKey,
          configuration: { baseURL: platform().apiUrl },
          maxRetries: 0,
        }).withStructuredOutput(recipe, method === undefined ? {} : { method });
        expect(recipe.safeParse(await llm.invoke('A recipe for tuna.')).error).toBeUndefined();
        let last: unknown;
        for await (const part of await llm.stream('Another recipe for tuna.')) last = part;
        expect(recipe.safeParse(last).error).toBeUndefined();
      },
    );

    it('serves the SDK’s parse, whole and as a stream', async () => {
      const request = {
        model,
        messages: [{ role: 'user' as const, content: 'A recipe for tuna.' }],
        response_format: zodResponseFormat(recipe, 'recipe'),
      };
      const whole = await customer.client().chat.completions.parse(request);
      expect(recipe.safeParse(whole.choices[0]!.message.parsed).error).toBeUndefined();
      const stream = customer.client().chat.completions.stream(request);
      const streamed = await stream.finalChatCompletion();
      expect(recipe.safeParse(streamed.choices[0]!.message.parsed).error).toBeUndefined();
    });

    // Guarantee: a schema may refer to its root, as OpenAI documents it.
    it('serves a schema that contains itself', async () => {
      const answer = await ask(model, newNonce(), { response_format: person(TREE) });
      expect([answer.status, answer.body?.error]).toEqual([200, undefined]);
      expect(JSON.parse(contentOf(answer))).toHaveProperty('id');
    });

    it.each([false, true])(
      'asks again at our cost, and then fails uncharged; streamed %s',
      async (stream) => {
        const options = stream ? { stream, stream_options: { include_usage: true } } : {};
        const nonce = newNonce();
        const wrong = { tool_arguments: '{"name": 5}', say: '{"name": 5}' };
        const remove = await script(platform(), { nonce, times: 1 }, wrong);
        const good = await ask(model, nonce, { response_format: person(), ...options });
        await remove();
        expect([good.status, JSON.parse(contentOf(good))]).toEqual([
          200,
          { name: expect.any(String), age: expect.any(Number) },
        ]);
        const calls = await endedCalls(platform(), nonce, 2);
        const usage = good.body === null ? good.chunks.at(-1)!.usage! : good.body.usage;
        expect(usage.completion_tokens).toBe(calls[1]!.billed!.completion);

        const before = await used();
        const bad = newNonce();
        const removeBad = await script(platform(), { nonce: bad }, wrong);
        const failed = await ask(model, bad, { response_format: person(), ...options });
        await removeBad();
        expect([failed.status, failed.body?.error?.code]).toEqual([502, 'structured_output_failed']);
        expect(await endedCalls(platform(), bad, 2)).toHaveLength(2);
        expect(await used()).toBe(before);
      },
    );

    it.each(['required', { type: 'function', function: { name: 'get_tide' } }])(
      'calls a tool for tool_choice %j',
      async (choice) => {
        for (const stream of [false, true]) {
          const answer = await ask(model, newNonce(), {
            stream,
            tools: [weather('get_weather'), weather('get_tide')],
            tool_choice: choice,
          });
          expect([answer.status, answer.body?.error]).toEqual([200, undefined]);
          const [call] = callsOf(answer);
          expect(JSON.parse(call!.arguments)).toHaveProperty('city');
          expect(['get_tide', ...(choice === 'required' ? ['get_weather'] : [])]).toContain(call!.name);
        }
      },
    );

    // Guarantee: a schema whose root is no object is served too: JSON mode would only ever write an object.
    it('serves a schema that is a list', async () => {
      const list = { type: 'array', items: { type: 'string' }, minItems: 1 };
      const answer = await ask(model, newNonce(), { response_format: person(list) });
      expect([answer.status, answer.body?.error]).toEqual([200, undefined]);
      expect(Array.isArray(JSON.parse(contentOf(answer)))).toBe(true);
    });

    it.each([
      [false, 1],
      [true, 2],
      [undefined, 2],
    ])('with parallel_tool_calls %s gets %d of two calls', async (parallel, count) => {
      for (const stream of [false, true]) {
        const answer = await chat(platform(), customer.apiKey, {
          model,
          stream,
          messages: [{ role: 'user', content: '[[sim tool=get_weather tool_calls=2]] Use a tool.' }],
          tools: [weather('get_weather'), weather('get_tide')],
          parallel_tool_calls: parallel,
        });
        expect(callsOf(answer).map(({ name }) => name)).toEqual(['get_weather', 'get_tide'].slice(0, count));
      }
    });

    it.each([
      ['refers elsewhere', { $ref: 'https://example.com/person.json' }],
      ['is no schema', { type: 'person' }],
      ['is too large', { enum: Array.from({ length: 20_000 }, (_, index) => `value ${index}`) }],
      [
        'is too deep',
        Array.from({ length: 11 }).reduce((inner) => ({ type: 'array', items: inner }), { type: 'null' }),
      ],
    ])('refuses a schema that %s', async (_what, schema) => {
      const nonce = newNonce();
      const answer = await ask(model, nonce, { response_format: person(schema as object) });
      expect([answer.status, answer.body?.error]).toEqual([
        400,
        expect.objectContaining({ code: 'invalid_value', param: 'response_format.json_schema.schema' }),
      ]);
    });
  });

  // Guarantee: also where the provider has the form itself, and does not keep to it.
  describe.each(EACH_DIALECT)('a form that %s does not keep to', (model) => {
    it.each([
      ['JSON mode', { response_format: { type: 'json_object' } }],
      ['a required call', { tools: [weather('get_tide'), weather('get_sun')], tool_choice: 'required' }],
      [
        'a named call',
        {
          tools: [weather('get_tide')],
          tool_choice: { type: 'function', function: { name: 'get_tide' } },
        },
      ],
    ])('is asked for again, and then fails uncharged: %s', async (_what, form) => {
      const nothing = { fault: 'empty', tool_calls: 0 };
      for (const stream of [false, true]) {
        const nonce = newNonce();
        await script(platform(), { nonce, times: 1 }, nothing);
        const good = await ask(model, nonce, { stream, ...form });
        expect([good.status, good.body?.error]).toEqual([200, undefined]);
        expect(contentOf(good) || callsOf(good)[0]!.arguments).toMatch(/^\{/);
        expect(await endedCalls(platform(), nonce, 2)).toHaveLength(2);
      }
      const before = await used();
      for (const stream of [false, true]) {
        const nonce = newNonce();
        await script(platform(), { nonce, times: 2 }, nothing);
        const failed = await ask(model, nonce, { stream, ...form });
        expect([failed.status, failed.body?.error?.code]).toEqual([502, 'structured_output_failed']);
        expect(await endedCalls(platform(), nonce, 2)).toHaveLength(2);
      }
      expect(await used()).toBe(before);
    });
  });
};
