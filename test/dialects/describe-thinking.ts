import { beforeAll, describe, expect, it } from '@jest/globals';
import { newCustomer } from '../contract/customer.js';
import type { Platform } from '../e2e/topology.js';
import { TEXT_MODELS } from '../facts/seed-facts.js';
import { chat } from './front-door.js';
import { primaryChannel, shippedCatalog } from './shipped-catalog.js';
import { endedCalls, newNonce, script, upstreamCalls } from './upstream-calls.js';

/** What each provider has for a switch, as the log shows it. */
const SWITCHES: Readonly<Record<string, (on: boolean) => Readonly<Record<string, unknown>>>> = {
  deepseek: (on) => ({ thinking: { type: on ? 'enabled' : 'disabled' } }),
  qwen: (on) => ({ enable_thinking: on }),
  glm: (on) => ({ thinking: { type: on ? 'enabled' : 'disabled' } }),
  minimax: (on) => ({ thinking: { type: on ? 'adaptive' : 'disabled' } }),
};

const CEILING = 40;

/** Thinking belongs to the model id, and a ceiling bounds it. */
export const describeThinking = (platform: () => Platform): void => {
  let apiKey: string;
  beforeAll(async () => {
    ({ apiKey } = await newCustomer(platform()));
  });

  const ask = (model: string, directive: string, members: Record<string, unknown> = {}) =>
    chat(platform(), apiKey, {
      model,
      messages: [{ role: 'user', content: `[[sim ${directive}]] Why is the sea salt?` }],
      ...members,
    });

  describe('thinking', () => {
    const asked = [
      { thinking: { type: 'enabled' } },
      { enable_thinking: true },
      { reasoning_effort: 'high' },
      { thinking_budget: 1_000 },
    ];
    it.each([...asked, ...asked.map((members) => ({ extra_body: members }))])(
      'of deepseek-chat can not be asked for by %j: 400, and nothing is sent',
      async (members) => {
        const nonce = newNonce();
        const answer = await ask('deepseek-chat', `nonce=${nonce}`, members);
        expect(answer.status).toBe(400);
        expect(answer.body?.error?.message).toContain('deepseek-reasoner');
        // The log is written before an answer: what is not there now was never sent.
        expect(await upstreamCalls(platform(), nonce)).toEqual([]);
      },
    );

    it.each(TEXT_MODELS)('is switched as the id of $id says, on every call', async ({ id }) => {
      const { provider, thinking } = primaryChannel(id);
      for (const stream of [true, false]) {
        const nonce = newNonce();
        expect((await ask(id, `nonce=${nonce}`, { stream })).status).toBe(200);
        const [call] = await endedCalls(platform(), nonce, 1);
        if (thinking !== null) expect(call!.parameters).toMatchObject(SWITCHES[provider]!(thinking));
        else expect(call!.parameters).not.toHaveProperty('thinking');
      }
    });

    it('is off on the backup channel of deepseek-chat too', async () => {
      const nonce = newNonce();
      const remove = await script(platform(), { provider: 'deepseek', nonce }, { fault: 'status:500' });
      const answer = await ask('deepseek-chat', `nonce=${nonce}`);
      await remove();
      expect([answer.status, answer.headers.get('x-tunan-fallback')]).toEqual([200, 'true']);
      const calls = await endedCalls(platform(), nonce, 2);
      expect(new Set(calls.map(({ provider }) => provider))).toEqual(new Set(['deepseek', 'qwen']));
      for (const { provider, parameters } of calls)
        expect(parameters).toMatchObject(SWITCHES[provider]!(false));
    });
  });

  const thinkers = shippedCatalog.catalog.models.filter(({ thinking }) => thinking === 'always');
  describe.each(thinkers)('the ceiling of $id', ({ id }) => {
    // Far above the ceiling, and so little that neither counting events nor an estimate has to notice.
    const outputs = [
      { reasoning: 300, text: 300 },
      { reasoning: 60, text: 30 },
      { reasoning: 30, text: 14 },
    ];
    const cases = [false, true].flatMap((disobedient) =>
      [false, true].flatMap((stream) =>
        [1, 10].flatMap((chunkTokens) =>
          outputs.map((output) => ({ disobedient, stream, chunkTokens, ...output })),
        ),
      ),
    );

    // Guarantee: nobody pays for more output than was asked for, whatever a provider generates.
    it.each(cases)(
      'bounds what is billed: %j',
      async ({ disobedient, stream, chunkTokens, reasoning, text }) => {
        const nonce = newNonce();
        const directive = `nonce=${nonce} reasoning_tokens=${reasoning} tokens=${text} chunk_tokens=${chunkTokens}`;
        const options = stream ? { stream, stream_options: { include_usage: true } } : {};
        const answer = await ask(id, disobedient ? `${directive} ignore_ceiling` : directive, {
          max_tokens: CEILING,
          ...options,
        });
        expect(answer.status).toBe(200);
        const usage = answer.body === null ? answer.chunks.at(-1)!.usage! : answer.body.usage;
        expect(usage.completion_tokens).toBeLessThanOrEqual(CEILING + chunkTokens);
        expect(usage.completion_tokens).toBeGreaterThan(0);
        const [call] = await endedCalls(platform(), nonce, 1);
        expect(call!.parameters['max_tokens'] ?? call!.parameters['max_completion_tokens']).toBe(CEILING);
        if (!disobedient) expect(usage.completion_tokens).toBe(call!.billed!.completion);
      },
    );
  });
};
