import { beforeAll, describe, expect, it } from '@jest/globals';
import { HumanMessage, SystemMessage, ToolMessage, type AIMessageChunk } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings, type ChatOpenAIFields } from '@langchain/openai';
import { z } from 'zod';
import type { Platform } from '../e2e/topology.js';
import { newCustomer, type Customer } from './customer.js';

const person = z.object({ name: z.string(), age: z.int(), city: z.string() });
const getWeather = tool(() => '21 °C', {
  name: 'get_weather',
  description: 'The weather of a city.',
  schema: z.object({ city: z.string() }),
});

/** What LangChain JS can rely on: the documentation's use cases, and what its users do besides. */
export const describeLangChain = (platform: () => Platform, model: string): void => {
  let customer: Customer;

  const chat = (fields: ChatOpenAIFields = {}): ChatOpenAI => {
    const { apiKey } = customer;
    return new ChatOpenAI({
      model,
      apiKey,
      configuration: { baseURL: platform().apiUrl },
      maxRetries: 0,
      ...fields,
    });
  };

  describe(`LangChain JS with ${model}`, () => {
    beforeAll(async () => {
      customer = await newCustomer(platform());
    });

    it('invokes', async () => {
      const llm = chat();
      const answer = await llm.invoke('Explain quantum computing in one paragraph');
      expect(answer.text).not.toBe('');
      expect(answer.usage_metadata).toMatchObject({ total_tokens: expect.any(Number) });
    });

    it('holds a conversation', async () => {
      const llm = chat({ temperature: 0.2, maxTokens: 64 });
      const answer = await llm.invoke([
        new SystemMessage('You are a helpful coding assistant.'),
        new HumanMessage('Write a Python function to reverse a linked list'),
      ]);
      expect(answer.text).not.toBe('');
    });

    it('streams, and adds the usage up', async () => {
      const llm = chat();
      let whole: AIMessageChunk | undefined;
      let chunks = 0;
      for await (const chunk of await llm.stream('Write a poem about the sea')) {
        whole = whole === undefined ? chunk : whole.concat(chunk);
        chunks += 1;
      }
      expect(chunks).toBeGreaterThan(2);
      expect(whole!.text).not.toBe('');
      expect(whole!.usage_metadata).toMatchObject({ output_tokens: expect.any(Number) });
    });

    it.each([undefined, 'jsonSchema', 'functionCalling'] as const)(
      'gets structured output by method %s',
      async (method) => {
        const structured = chat().withStructuredOutput(person, {
          name: 'person',
          ...(method === undefined ? {} : { method }),
        });
        const answer = await structured.invoke('Who lives in Paris?');
        expect(person.safeParse(answer).success).toBe(true);
      },
    );

    it('gets JSON in JSON mode', async () => {
      const structured = chat().withStructuredOutput(z.looseObject({}), { method: 'jsonMode' });
      expect(typeof (await structured.invoke('Return a JSON object with name, age, city'))).toBe('object');
    });

    it('calls a tool and uses its result', async () => {
      const llm = chat().bindTools([getWeather]);
      const question = new HumanMessage('Use get_weather: how is the weather in Paris?');
      const asked = await llm.invoke([question]);
      const [call] = asked.tool_calls!;
      expect(call).toMatchObject({ name: 'get_weather', args: { city: expect.any(String) } });
      const result = await getWeather.invoke(call!);
      expect(result).toBeInstanceOf(ToolMessage);
      const answer = await llm.invoke([question, asked, result as ToolMessage]);
      expect(answer.text).not.toBe('');
    });

    it('embeds', async () => {
      const { apiKey } = customer;
      const embeddings = new OpenAIEmbeddings({
        model: 'text-embedding-v3',
        apiKey,
        configuration: { baseURL: platform().apiUrl },
        maxRetries: 0,
      });
      expect(await embeddings.embedQuery('Hello world')).toHaveLength(1_024);
      const documents = await embeddings.embedDocuments(
        Array.from({ length: 25 }, (_, index) => `text ${index}`),
      );
      expect(documents).toHaveLength(25);
    });

    it('says what to do where it is set to the Responses API', async () => {
      const llm = chat({ useResponsesApi: true });
      await expect(llm.invoke('Hello!')).rejects.toThrow(/useResponsesApi: false/);
    });
  });
};
