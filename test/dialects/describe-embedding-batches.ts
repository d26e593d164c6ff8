import { beforeAll, describe, expect, it } from '@jest/globals';
import { newCustomer, type Customer } from '../contract/customer.js';
import type { Platform } from '../e2e/topology.js';
import { post, usedQuota } from './front-door.js';
import { endedCalls, newNonce, upstreamCalls, type UpstreamCall } from './upstream-calls.js';

const BATCH = 10;

/** Most calls that were under way together. */
const mostAtOnce = (calls: readonly UpstreamCall[]): number =>
  Math.max(...calls.map(({ from }) => calls.filter((other) => other.from <= from && from < other.to).length));

interface Vectors {
  readonly data: readonly { readonly index: number; readonly embedding: readonly number[] }[];
  readonly usage: { readonly prompt_tokens: number; readonly cost: number };
}

/** Embeddings beyond a provider's batch. */
export const describeEmbeddingBatches = (platform: () => Platform): void => {
  let customer: Customer;
  beforeAll(async () => {
    customer = await newCustomer(platform());
  });

  const embed = async (input: unknown, model = 'text-embedding-v3') => {
    const answer = await post(platform(), customer.apiKey, '/embeddings', {
      model,
      input,
      encoding_format: 'float',
    });
    return { status: answer.status, error: answer.body?.error, vectors: answer.body as unknown as Vectors };
  };

  describe('embeddings in batches', () => {
    it.each([25, 1_000])('%d texts come in order, in batches of which four are under way', async (count) => {
      const nonce = newNonce();
      const texts = Array.from(
        { length: count },
        (_, index) => `[[sim nonce=${nonce} header_delay_ms=20]] text ${index}`,
      );
      const { status, vectors } = await embed(texts);
      expect(status).toBe(200);
      expect(vectors.data.map(({ index }) => index)).toEqual(texts.map((_, index) => index));
      const calls = await endedCalls(platform(), nonce, Math.ceil(count / BATCH));
      expect(calls).toHaveLength(Math.ceil(count / BATCH));
      expect(mostAtOnce(calls)).toBeLessThanOrEqual(4);
      expect(vectors.usage.prompt_tokens).toBe(calls.reduce((sum, call) => sum + call.billed!.prompt, 0));
      for (const at of [0, BATCH - 1, BATCH, count - 1]) {
        const alone = await embed(texts[at]);
        expect(alone.vectors.data[0]!.embedding).toEqual(vectors.data[at]!.embedding);
      }
    });

    it('fail as a whole with one batch, and are not charged', async () => {
      const nonce = newNonce();
      const used = (): Promise<number> => usedQuota(platform(), customer.apiKey);
      const before = await used();
      const texts = Array.from({ length: 95 }, (_, index) =>
        index === 57 ? `[[sim nonce=${nonce} fault=error:InternalError]] bad` : `text ${index}`,
      );
      const { status, error } = await embed(texts);
      expect([status, error?.code]).toEqual([502, 'upstream_error']);
      expect((await upstreamCalls(platform(), nonce)).length).toBeGreaterThan(0);
      expect(await used()).toBe(before);
      // The same texts with a good one among them do cost something, so that nothing would have been seen.
      expect((await embed(texts.map((text) => text.replace('fault=error:InternalError', '')))).status).toBe(
        200,
      );
      expect(await used()).toBeGreaterThan(before);
    });

    // Just above the limit: what is surely too long is never sent.
    it.each([
      ['text-embedding-v3', 8_192],
      ['embedding-3', 3_072],
    ])('of %s name the text that the provider finds too long', async (model, limit) => {
      const nonce = newNonce();
      const long = `[[sim nonce=${nonce}]] ${'word '.repeat(limit)}`;
      for (const [input, param] of [
        [['a', long, 'b'], 'input[1]'],
        [[long], 'input[0]'],
        [long, 'input'],
      ] as const) {
        const { status, error } = await embed(input, model);
        expect([status, error?.code, error?.param]).toEqual([400, 'context_length_exceeded', param]);
        expect(error?.message).toContain(`'${param}'`);
      }
      expect(await upstreamCalls(platform(), nonce)).toHaveLength(3);
    });

    it('of token ids are those of the text they stand for', async () => {
      const [ids, text] = await Promise.all([embed([[9906, 1917]]), embed('Hello world')]);
      expect([ids.status, text.status]).toEqual([200, 200]);
      expect(ids.vectors.data).toEqual(text.vectors.data);
    });
  });
};
