import { describe, expect, it } from '@jest/globals';
import { newCustomer } from '../contract/customer.js';
import type { Platform } from '../e2e/topology.js';
import { chat, contentOf } from './front-door.js';
import { endedCalls, newNonce } from './upstream-calls.js';

/** Model, `max_tokens`, and whether the provider is asked to stream the unary answer. */
const CASES = [
  ['deepseek-chat', undefined, false],
  ['deepseek-chat', 8_193, true],
  ['deepseek-reasoner', undefined, true],
  ['qwen3.7-max', undefined, true],
  ['qwen3.7-max', 4_096, false],
  ['glm-4-plus', undefined, false],
  ['minimax-m2.7', undefined, true],
] as const;

/** A unary answer that may take a provider longer than it, or we, would wait for it is streamed behind the scenes. */
export const describeLongAnswers = (platform: () => Platform): void => {
  describe('a unary answer that may be long', () => {
    it.each(CASES)(
      'of %s with a ceiling of %s: streamed upstream %s',
      async (model, max_tokens, streamed) => {
        const { apiKey } = await newCustomer(platform());
        const nonce = newNonce();
        const answer = await chat(platform(), apiKey, {
          model,
          messages: [{ role: 'user', content: `[[sim nonce=${nonce} say="one two three"]] Count.` }],
          ...(max_tokens === undefined ? {} : { max_tokens }),
        });
        expect([answer.status, contentOf(answer)]).toEqual([200, 'one two three']);
        const [call] = await endedCalls(platform(), nonce, 1);
        expect(call!.stream).toBe(streamed);
        expect(answer.body!.usage).toMatchObject({
          prompt_tokens: call!.billed!.prompt,
          completion_tokens: call!.billed!.completion,
        });
      },
    );

    // Qwen sends what it has of one after 300 s, and does not say that it is not all. Here it is less patient.
    it.each([
      [undefined, 20],
      [4_096, 6],
    ])('of Qwen, with a ceiling of %s, that it would cut: %d of 20 tokens', async (max_tokens, tokens) => {
      const { apiKey } = await newCustomer(platform());
      const pace = 'unary_ms_max=500 chunk_delay_ms=100';
      const answer = await chat(platform(), apiKey, {
        model: 'qwen3.7-max',
        messages: [{ role: 'user', content: `[[sim tokens=20 ${pace}]] Count.` }],
        ...(max_tokens === undefined ? {} : { max_tokens }),
      });
      expect(answer.body).toMatchObject({
        choices: [{ finish_reason: 'stop' }],
        usage: { completion_tokens: tokens },
      });
    });
  });
};
