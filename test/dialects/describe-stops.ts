import { beforeAll, describe, expect, it } from '@jest/globals';
import { formatUsd, priceOf } from '@tunan/kernel';
import { eventually } from '@tunan/testing';
import { newCustomer } from '../contract/customer.js';
import type { Platform } from '../e2e/topology.js';
import { chat, contentOf } from './front-door.js';
import { shippedCatalog } from './shipped-catalog.js';
import { endedCalls, newNonce } from './upstream-calls.js';

/** Answered with this, one token at a time, a call takes twenty seconds and more. */
const SAID = `one two STOP ${'and on and on '.repeat(100)}`;
const ENDLESS = 'chunk_tokens=1 chunk_delay_ms=50';

/** Models whose stop sequences are cut by the gateway. MiniMax bills an answer to its end, GLM what it has sent. */
const MODELS = [
  ['minimax-m3', 'STOP', true],
  ['glm-4-plus', ['nowhere', 'STOP'], false],
] as const;

interface Generation {
  readonly cost: number;
  readonly flags: readonly string[];
  readonly ledger: string;
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
}

/** A stop sequence ends the answer, the provider's work and the charge at the same place. */
export const describeStops = (platform: () => Platform): void => {
  let apiKey: string;
  beforeAll(async () => {
    ({ apiKey } = await newCustomer(platform()));
  });

  const generation = async (id: string): Promise<Generation> => {
    const answer = await fetch(`${platform().apiUrl}/generations/${id}`, {
      headers: { authorization: `Bearer ${apiKey}` },
    });
    return (await answer.json()) as Generation;
  };

  describe.each(MODELS)('a stop sequence of %s', (model, stop, billsAfterCancel) => {
    it.each([true, false])('is where answer and charge end, streamed %s', async (stream) => {
      const nonce = newNonce();
      const content = `[[sim nonce=${nonce} ${ENDLESS} say="${SAID}"]] Count.`;
      const answer = await chat(platform(), apiKey, {
        model,
        messages: [{ role: 'user', content }],
        stop,
        ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
      });
      expect(answer.status).toBe(200);
      expect(contentOf(answer)).toBe('one two ');
      expect(answer.text).toContain('"finish_reason":"stop"');

      // The provider was told to stop, whatever it bills.
      const [call] = await endedCalls(platform(), nonce, 1);
      expect(call!.outcome).toBe('aborted_by_client');
      expect(call!.billed!.completion > 300).toBe(billsAfterCancel);

      // What was delivered is charged, at the price of the catalog; the ledger has what was shown.
      const usage = answer.body === null ? answer.chunks.at(-1)!.usage! : answer.body.usage;
      expect(usage.completion_tokens).toBeGreaterThan(0);
      expect(usage.completion_tokens).toBeLessThan(10);
      expect(usage.prompt_tokens / call!.billed!.prompt).toBeGreaterThan(0.7);
      expect(usage.prompt_tokens / call!.billed!.prompt).toBeLessThan(1.4);
      const { prompt_tokens: prompt, completion_tokens: completion } = usage;
      const cost = priceOf({ prompt, cachedPrompt: 0, completion }, shippedCatalog.price(model)!);
      expect(answer.text).toContain(`"cost":${formatUsd(cost)}`);
      const posted = await eventually('the charge is in the ledger', async () => {
        const found = await generation(answer.headers.get('x-request-id')!);
        return found.ledger === 'posted' && found;
      });
      expect(posted).toMatchObject({ cost: usage.cost, flags: ['estimated'] });
      expect(posted.usage).toMatchObject({ prompt_tokens: prompt, completion_tokens: completion });
    });

    it.each([true, false])('that could have begun keeps the call beside it, streamed %s', async (stream) => {
      const nonce = newNonce();
      const answer = await chat(platform(), apiKey, {
        model,
        messages: [{ role: 'user', content: `[[sim nonce=${nonce} tool=look say="I look.\\n"]] Count.` }],
        tools: [{ type: 'function', function: { name: 'look' } }],
        stop: ['nowhere', '\nObservation:'],
        ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
      });
      expect(contentOf(answer)).toBe('I look.\n');
      expect(answer.text).toContain('"name":"look"');
      expect(answer.text).toContain('"finish_reason":"tool_calls"');
      const [call] = await endedCalls(platform(), nonce, 1);
      const usage = answer.body === null ? answer.chunks.at(-1)!.usage! : answer.body.usage;
      expect(usage.completion_tokens).toBe(call!.billed!.completion);
    });

    it.each([true, false])(
      'that never comes leaves answer and usage as they are, streamed %s',
      async (stream) => {
        const nonce = newNonce();
        const content = `[[sim nonce=${nonce} say="one two three"]] Count.`;
        const answer = await chat(platform(), apiKey, {
          model,
          messages: [{ role: 'user', content }],
          stop,
          ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
        });
        expect(contentOf(answer)).toBe('one two three');
        const [call] = await endedCalls(platform(), nonce, 1);
        const usage = answer.body === null ? answer.chunks.at(-1)!.usage! : answer.body.usage;
        expect(usage).toMatchObject({
          prompt_tokens: call!.billed!.prompt,
          completion_tokens: call!.billed!.completion,
        });
      },
    );
  });
};
