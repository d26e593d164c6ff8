import { beforeAll, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import type { Platform } from '../e2e/topology.js';
import { readBooks, untilSettled } from '../money/books.js';
import { byNonce, readServedLog, type ServedCall } from '../oracle/served-log.js';
import { judge, leftUndrained } from '../oracle/verdict.js';
import { newCustomer, type Customer } from './customer.js';

const question = [{ role: 'user' as const, content: 'Hello!' }];
const weatherTool: OpenAI.ChatCompletionFunctionTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city.',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    },
  },
};
const person = z.object({ name: z.string(), age: z.int(), city: z.string() });

const chunksOf = async (stream: AsyncIterable<OpenAI.ChatCompletionChunk>) => {
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
};

/**
 * What the official Node SDK can rely on with a chat model. The model is a parameter because the promises are the same
 * for all of them.
 */
export const describeOpenAiSdk = (platform: () => Platform, model: string): void => {
  let customer: Customer;

  describe(`the official Node SDK with ${model}`, () => {
    beforeAll(async () => {
      customer = await newCustomer(platform());
    });

    it('chats, and learns what the answer cost and who gave it', async () => {
      const { client } = customer;
      const { data, response, request_id } = await client()
        .chat.completions.create({ model, messages: question })
        .withResponse();
      expect(data).toMatchObject({
        object: 'chat.completion',
        model,
        choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant' } }],
      });
      expect(data.choices[0]!.message.content).not.toBe('');
      const usage = data.usage as OpenAI.CompletionUsage & { cost: number };
      expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
      expect(usage.cost).toBeGreaterThan(0);
      expect(request_id).toBe(response.headers.get('x-request-id'));
      for (const name of ['x-tunan-provider', 'x-tunan-upstream-model', 'openai-processing-ms'])
        expect(response.headers.get(name)).not.toBeNull();
    });

    it('streams text that is the unary answer, with one id, role, model and finish reason', async () => {
      const { client } = customer;
      const chunks = await chunksOf(
        await client().chat.completions.create({ model, messages: question, stream: true }),
      );
      expect(new Set(chunks.map(({ id, created, model: name }) => `${id} ${created} ${name}`)).size).toBe(1);
      expect(chunks[0]!.model).toBe(model);
      expect(chunks.filter(({ choices }) => choices[0]?.delta.role !== undefined)).toEqual([chunks[0]]);
      expect(chunks.filter(({ choices }) => choices[0]?.finish_reason != null)).toHaveLength(1);
      expect(chunks.every(({ choices }) => choices.length === 1)).toBe(true);
      const text = chunks.map(({ choices }) => choices[0]!.delta.content ?? '').join('');
      const unary = await client().chat.completions.create({ model, messages: question });
      expect(text).toBe(unary.choices[0]!.message.content);
    });

    it('is told the usage at the end of a stream, and null before, if it asks', async () => {
      const { client } = customer;
      const chunks = await chunksOf(
        await client().chat.completions.create({
          model,
          messages: question,
          stream: true,
          stream_options: { include_usage: true },
        }),
      );
      const last = chunks.at(-1)!;
      expect(last.choices).toEqual([]);
      expect(last.usage!.total_tokens).toBeGreaterThan(0);
      expect((last.usage as unknown as { cost: number }).cost).toBeGreaterThan(0);
      expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    });

    it('collects a stream with its own helper', async () => {
      const { client } = customer;
      const stream = client().chat.completions.stream({ model, messages: question });
      const final = await stream.finalChatCompletion();
      expect(final.choices[0]!.message.content).not.toBe('');
      expect(final.choices[0]!.finish_reason).toBe('stop');
    });

    it('takes a tool there and back', async () => {
      const { client } = customer;
      const messages: OpenAI.ChatCompletionMessageParam[] = [
        { role: 'user', content: 'Use get_weather: how is the weather in Paris?' },
      ];
      const asked = await client().chat.completions.create({ model, messages, tools: [weatherTool] });
      const message = asked.choices[0]!.message;
      expect(asked.choices[0]!.finish_reason).toBe('tool_calls');
      const call = message.tool_calls![0];
      if (call?.type !== 'function') throw new Error('no function was called');
      expect(call.function.name).toBe('get_weather');
      expect(JSON.parse(call.function.arguments)).toHaveProperty('city');
      messages.push(message, { role: 'tool', tool_call_id: call.id, content: '21 °C' });
      const answer = await client().chat.completions.create({ model, messages, tools: [weatherTool] });
      expect(answer.choices[0]!.finish_reason).toBe('stop');
      expect(answer.choices[0]!.message.content).not.toBe('');
    });

    it('streams the arguments of a tool call', async () => {
      const { client } = customer;
      const final = await client()
        .chat.completions.stream({
          model,
          messages: [{ role: 'user', content: 'Use get_weather: how is the weather in Paris?' }],
          tools: [weatherTool],
        })
        .finalChatCompletion();
      const call = final.choices[0]!.message.tool_calls![0];
      if (call?.type !== 'function') throw new Error('no function was called');
      expect(call.function.name).toBe('get_weather');
      expect(JSON.parse(call.function.arguments)).toHaveProperty('city');
    });

    it('runs tools by itself', async () => {
      const { client } = customer;
      const cities: unknown[] = [];
      const runner = client().chat.completions.runTools({
        model,
        messages: [{ role: 'user', content: 'Use get_weather: how is the weather in Paris?' }],
        tools: [
          {
            type: 'function',
            function: {
              ...weatherTool.function,
              parse: JSON.parse,
              function: ({ city }: { city: string }) => {
                cities.push(city);
                return '21 °C';
              },
            } as never,
          },
        ],
      });
      expect(await runner.finalContent()).not.toBe('');
      expect(cities).toEqual([expect.any(String)]);
    });

    it('parses an answer by a schema', async () => {
      const { client } = customer;
      const answer = await client().chat.completions.parse({
        model,
        messages: [{ role: 'user', content: 'Who lives in Paris? Answer in JSON.' }],
        response_format: zodResponseFormat(person, 'person'),
      });
      expect(person.safeParse(answer.choices[0]!.message.parsed).success).toBe(true);
    });

    it('gets JSON in JSON mode', async () => {
      const { client } = customer;
      const answer = await client().chat.completions.create({
        model,
        messages: [{ role: 'user', content: 'Return a JSON object with name, age, city' }],
        response_format: { type: 'json_object' },
      });
      expect(typeof JSON.parse(answer.choices[0]!.message.content!)).toBe('object');
    });

    it('reads the model it uses in the list and by its id', async () => {
      const { client } = customer;
      const ids: string[] = [];
      for await (const entry of client().models.list()) ids.push(entry.id);
      expect(ids).toContain(model);
      expect(await client().models.retrieve(model)).toMatchObject({ id: model, object: 'model' });
    });

    // The SDK tells us of a timeout only if it is set for the request.
    it.each(['client', 'request'])(
      'completes a stream that is longer than the timeout of its %s',
      async (of) => {
        const { client } = customer;
        const timeout = { timeout: 2_000 };
        const sixSeconds = '[[sim tokens=60 chunk_delay_ms=100]] Tell me a story.';
        const startedMs = performance.now();
        const chunks = await chunksOf(
          await client(of === 'client' ? timeout : {}).chat.completions.create(
            { model, messages: [{ role: 'user', content: sixSeconds }], stream: true },
            of === 'client' ? {} : timeout,
          ),
        );
        expect(performance.now() - startedMs).toBeGreaterThan(5_000);
        expect(chunks.at(-1)!.choices[0]!.finish_reason).not.toBeNull();
      },
      60_000,
    );

    it('gets a stream whose first word takes longer than its timeout', async () => {
      const { client } = customer;
      const slow = '[[sim tokens=10 first_delay_ms=4000]] Tell me a story.';
      const chunks = await chunksOf(
        await client().chat.completions.create(
          {
            model,
            messages: [{ role: 'user', content: slow }],
            stream: true,
            stream_options: { include_usage: true },
          },
          { timeout: 2_000 },
        ),
      );
      expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).not.toBe('');
      // The headers had to go out before anything had answered: the chunk says who did.
      expect(chunks.at(-1)!.usage).toMatchObject({ tunan: { provider: 'simulator', attempts: 1 } });
    }, 60_000);

    // Guarantee: the provider is left too, or read to its end if it charges for all of it anyway; the client pays for its
    // prompt and what was delivered, and nothing stays held.
    it('aborts in the middle of a stream, and pays for what was delivered', async () => {
      const { accountId, client } = await newCustomer(platform());
      const abort = new AbortController();
      const nonce = `aborted-${model}`;
      const long = `[[sim nonce=${nonce} tokens=200 chunk_delay_ms=50]] Tell me a long story.`;
      const { data: stream, request_id } = await client()
        .chat.completions.create(
          { model, messages: [{ role: 'user', content: long }], stream: true },
          { signal: abort.signal },
        )
        .withResponse();
      let chunks = 0;
      try {
        for await (const _chunk of stream) if ((chunks += 1) === 3) abort.abort();
      } catch (error) {
        expect(error).toBeInstanceOf(OpenAI.APIUserAbortError);
      }
      expect(chunks).toBeGreaterThanOrEqual(3);
      expect(chunks).toBeLessThan(100);
      await untilSettled(platform());
      const served = byNonce(await readServedLog(platform().simulatorUrl)).get(nonce)!;
      expect(served).toMatchObject([{ requestId: request_id, plannedTokens: 200 }]);
      const [{ outcome, sentTokens }] = served as [ServedCall];
      const isDrained = /^(?:qwen|minimax)/.test(model);
      expect(outcome).toBe(isDrained ? 'completed' : 'aborted_by_client');
      if (!isDrained) expect(sentTokens).toBeLessThan(100);
      const seen = {
        nonce,
        model,
        stream: true,
        status: 200,
        requestId: request_id!,
        outputMax: null,
        cost: null,
      };
      const record = { ...seen, ending: 'aborted' } as const;
      expect(leftUndrained(record, served)).toEqual([]);
      const charges = (await readBooks(platform(), accountId)).rows.filter(
        ({ requestId }) => requestId !== null,
      );
      expect(charges).toMatchObject([{ requestId: request_id }]);
      const { least, most } = judge(record, served);
      expect(-charges[0]!.amount).toBeGreaterThanOrEqual(least);
      expect(-charges[0]!.amount).toBeLessThanOrEqual(most);
      expect(least).toBeGreaterThan(0n);
    }, 120_000);
  });
};
