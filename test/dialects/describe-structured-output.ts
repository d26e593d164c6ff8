import { beforeAll, describe, expect, it } from '@jest/globals';
import { ChatOpenAI } from '@langchain/openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { newCustomer, type Customer } from '../contract/customer.js';
import type { Platform } from '../e2e/topology.js';
import { TEXT_MODELS } from '../facts/seed-facts.js';
import { chat, contentOf } from './front-door.js';
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

/** Schemas and forced tools on every text model, whether its provider has them or not. */
export const describeStructuredOutput = (platform: () => Platform): void => {
  let customer: Customer;
  beforeAll(async () => {
    customer = await newCustomer(platform());
  });

  const used = async (): Promise<number> => {
    const answer = await fetch(platform().apiUrl.replace(/\/v1$/, '/api/user/self'), {
      headers: { authorization: `Bearer ${customer.apiKey}` },
    });
    return ((await answer.json()) as { data: { used_quota: number } }).data.used_quota;
  };
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
          if (answer.body === null) {
            expect(answer.chunks.some(({ choices }) => choices[0]?.delta.tool_calls !== undefined)).toBe(
              true,
            );
            continue;
          }
          const [call] = answer.body.choices[0]!.message.tool_calls!;
          expect(JSON.parse(call!.function.arguments)).toHaveProperty('city');
          if (typeof choice === 'object') expect(call!.function.name).toBe('get_tide');
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

    it('gets one call at a time where parallel ones are forbidden', async () => {
      const nonce = newNonce();
      const content = `[[sim nonce=${nonce} tool=get_weather tool_calls=2]] Use a tool.`;
      const answer = await chat(platform(), customer.apiKey, {
        model,
        messages: [{ role: 'user', content }],
        tools: [weather('get_weather'), weather('get_tide')],
        parallel_tool_calls: false,
      });
      const calls = answer.body!.choices[0]!.message.tool_calls!;
      const [upstream] = await endedCalls(platform(), nonce, 1);
      // Where the provider obeys the parameter, it is left to it.
      if (upstream!.parameters['parallel_tool_calls'] === false) expect(calls.length).toBeGreaterThan(0);
      else expect(calls).toHaveLength(1);
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
};
