import { createOpenAI } from '@ai-sdk/openai';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { embed, embedMany, generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import type { Platform } from '../e2e/topology.js';
import { newCustomer, type Customer } from './customer.js';

const person = z.object({ name: z.string(), age: z.int(), city: z.string() });

/** What the Vercel AI SDK can rely on, by `openai.chat`. */
export const describeAiSdk = (platform: () => Platform, modelId: string): void => {
  let customer: Customer;

  const provider = () => {
    const { apiKey } = customer;
    return createOpenAI({ baseURL: platform().apiUrl, apiKey });
  };

  describe(`the Vercel AI SDK with ${modelId}`, () => {
    beforeAll(async () => {
      customer = await newCustomer(platform());
    });

    it('generates a text', async () => {
      const openai = provider();
      const { text, usage, finishReason } = await generateText({
        model: openai.chat(modelId),
        system: 'You are a helpful coding assistant.',
        prompt: 'Write a Python function to reverse a linked list',
        maxRetries: 0,
      });
      expect(text).not.toBe('');
      expect(finishReason).toBe('stop');
      expect(usage.totalTokens).toBeGreaterThan(0);
    });

    it('streams a text', async () => {
      const openai = provider();
      const result = streamText({
        model: openai.chat(modelId),
        prompt: 'Write a poem about the sea',
        maxRetries: 0,
      });
      let text = '';
      for await (const piece of result.textStream) text += piece;
      expect(text).not.toBe('');
      expect((await result.usage).outputTokens).toBeGreaterThan(0);
    });

    it('generates an object by a schema, whole and as a stream', async () => {
      const openai = provider();
      const ask = {
        model: openai.chat(modelId),
        prompt: 'Who lives in Paris? Answer in JSON.',
        output: Output.object({ schema: person }),
        maxRetries: 0,
      };
      expect(person.safeParse((await generateText(ask)).output).success).toBe(true);
      const streamed = streamText(ask);
      await streamed.consumeStream();
      expect(person.safeParse(await streamed.output).success).toBe(true);
    });

    it('runs tools in steps', async () => {
      const openai = provider();
      const cities: string[] = [];
      const { text, steps } = await generateText({
        model: openai.chat(modelId),
        prompt: 'Use get_weather: how is the weather in Paris?',
        tools: {
          get_weather: tool({
            description: 'The weather of a city.',
            inputSchema: z.object({ city: z.string() }),
            execute: ({ city }) => {
              cities.push(city);
              return '21 °C';
            },
          }),
        },
        stopWhen: stepCountIs(3),
        maxRetries: 0,
      });
      expect(cities).toHaveLength(1);
      expect(steps).toHaveLength(2);
      expect(text).not.toBe('');
    });

    it('embeds one and many', async () => {
      const openai = provider();
      const model = openai.embedding('text-embedding-v3');
      const { embedding } = await embed({ model, value: 'Hello world', maxRetries: 0 });
      expect(embedding).toHaveLength(1_024);
      const { embeddings } = await embedMany({
        model,
        values: Array.from({ length: 25 }, (_, index) => `text ${index}`),
        maxRetries: 0,
      });
      expect(embeddings).toHaveLength(25);
    });

    it('says what to do where its default, the Responses API, is used', async () => {
      const openai = provider();
      await expect(generateText({ model: openai(modelId), prompt: 'Hello!', maxRetries: 0 })).rejects.toThrow(
        /openai\.chat\(modelId\)/,
      );
    });
  });
};
