import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Platform } from '../e2e/topology.js';
import { newCustomer, type Customer } from './customer.js';

/** What the official Node SDK can rely on with an embedding model. */
export const describeEmbeddings = (platform: () => Platform, model: string, dimensions: number): void => {
  let customer: Customer;

  describe(`embeddings of ${model}`, () => {
    beforeAll(async () => {
      customer = await newCustomer(platform());
    });

    it('are the same in base64, which the SDK asks for by default, and as floats', async () => {
      const { client } = customer;
      const byDefault = await client().embeddings.create({ model, input: 'Hello world' });
      const floats = await client().embeddings.create({
        model,
        input: 'Hello world',
        encoding_format: 'float',
      });
      expect(byDefault.data[0]!.embedding).toHaveLength(dimensions);
      expect(byDefault.data[0]!.embedding).toEqual(
        floats.data[0]!.embedding.map((value) => Math.fround(value)),
      );
      expect(byDefault.usage.prompt_tokens).toBeGreaterThan(0);
      expect((byDefault.usage as unknown as { cost: number }).cost).toBeGreaterThan(0);
    });

    it('come in the order of their inputs, however many batches those are', async () => {
      const { client } = customer;
      const input = Array.from({ length: 130 }, (_, index) => `text number ${index}`);
      const all = await client().embeddings.create({ model, input });
      expect(all.data.map(({ index }) => index)).toEqual(input.map((_, index) => index));
      for (const index of [0, 64, 129]) {
        const alone = await client().embeddings.create({ model, input: input[index]! });
        expect(all.data[index]!.embedding).toEqual(alone.data[0]!.embedding);
      }
    }, 60_000);

    it('of token ids are those of the text', async () => {
      const { client } = customer;
      const text = await client().embeddings.create({ model, input: 'Hello world' });
      const ids = await client().embeddings.create({ model, input: [9906, 1917] });
      const batch = await client().embeddings.create({ model, input: [[9906, 1917], [9906]] });
      expect(ids.data[0]!.embedding).toEqual(text.data[0]!.embedding);
      expect(batch.data[0]!.embedding).toEqual(text.data[0]!.embedding);
      expect(batch.data).toHaveLength(2);
    });

    it('have the length that is asked for', async () => {
      const { client } = customer;
      const answer = await client().embeddings.create({ model, input: 'Hello', dimensions: 512 });
      expect(answer.data[0]!.embedding).toHaveLength(512);
    });
  });
};
