import { beforeAll, describe, expect, it } from '@jest/globals';
import { formatUsd, priceOf } from '@tunan/kernel';
import { capabilitiesOf, sentValue, type Parameter, type Treatment } from '@tunan/llm';
import { newCustomer } from '../contract/customer.js';
import type { Platform } from '../e2e/topology.js';
import { TEXT_MODELS } from '../facts/seed-facts.js';
import { chat, contentOf } from './front-door.js';
import { primaryChannel, shippedCatalog } from './shipped-catalog.js';
import { endedCalls, newNonce } from './upstream-calls.js';

/** The documentation's table of parameters, each at values that are not its default. */
const ROWS: readonly (readonly [Parameter, unknown])[] = [
  ['temperature', 0.3],
  ['temperature', 2],
  ['max_tokens', 7],
  ['stream', true],
  ['top_p', 0.9],
  ['top_p', 0],
  ['stop', 'zebra'],
  ['stop', ['zebra', 'quokka', 'okapi', 'axolotl']],
  ['frequency_penalty', 0.5],
  ['presence_penalty', -0.5],
  ['n', 3],
  ['response_format=json_object', { type: 'json_object' }],
];

/** Where the log must show a parameter, and how. Undefined: nowhere. */
const expectedMember = (parameter: Parameter, treatment: Treatment, value: unknown): unknown => {
  if (parameter === 'stop') {
    const stops = typeof value === 'string' ? [value] : (value as string[]);
    const sent = treatment.class === 'emulated' ? stops.slice(0, treatment.nativeMax ?? 0) : stops;
    return sent.length === 0 ? undefined : sent;
  }
  return sentValue(treatment, value);
};

/** Every documented parameter on every text model: answered, and sent as the capability table says. */
export const describeParameters = (platform: () => Platform): void => {
  let apiKey: string;
  beforeAll(async () => {
    ({ apiKey } = await newCustomer(platform()));
  });

  const ask = async (model: string, members: Record<string, unknown>, calls = 1) => {
    const nonce = newNonce();
    const content = `[[sim nonce=${nonce} tokens=40]] Tell me of the sea, as json if you like.`;
    const answer = await chat(platform(), apiKey, {
      model,
      messages: [{ role: 'user', content }],
      ...members,
    });
    expect([answer.status, answer.body?.error]).toEqual([200, undefined]);
    return { answer, upstream: await endedCalls(platform(), nonce, calls) };
  };

  describe.each(TEXT_MODELS)('parameters of $id', ({ id: model }) => {
    const channel = primaryChannel(model);
    const capabilities = capabilitiesOf(channel);

    it.each(ROWS)('%s %j', async (parameter, value) => {
      const member = parameter.split('=')[0]!;
      const treatment = capabilities[parameter];
      const completions = parameter === 'n' ? 3 : 1;
      const { answer, upstream } = await ask(model, { [member]: value }, completions);
      const expected = expectedMember(parameter, treatment, value);
      expect(upstream).toHaveLength(completions);
      for (const { parameters, stream, provider } of upstream) {
        expect(provider).toBe(channel.provider);
        if (parameter === 'stream') expect(stream).toBe(true);
        else if (parameter === 'max_tokens')
          expect(parameters['max_tokens'] ?? parameters['max_completion_tokens']).toBe(value);
        else expect([member, parameters[member]]).toEqual([member, expected]);
      }
      const adapted = treatment.class === 'advisory' && expected !== value;
      expect([member, answer.headers.get('x-tunan-adapted')?.includes(`${member}=`) ?? false]).toEqual([
        member,
        adapted,
      ]);
      expect(answer.body === null).toBe(parameter === 'stream');
    });

    it('refuses strictly what it would have to adapt, before anything is sent', async () => {
      const messages = [{ role: 'user', content: 'Hi' }];
      const answer = await chat(
        platform(),
        apiKey,
        { model, messages, frequency_penalty: 0.5 },
        { 'x-tunan-strict-params': 'true' },
      );
      expect([answer.status, answer.body?.error]).toEqual([
        400,
        expect.objectContaining({ code: 'unsupported_parameter', param: 'frequency_penalty' }),
      ]);
    });

    it.each([true, false])('n: 3, streamed %s: usage and cost are the sum', async (stream) => {
      const options = stream ? { stream, stream_options: { include_usage: true } } : {};
      const { answer, upstream } = await ask(model, { n: 3, ...options }, 3);
      const billed = upstream.map((call) => call.billed!);
      const sum = (member: 'prompt' | 'cached' | 'completion'): number =>
        billed.reduce((total, tokens) => total + tokens[member], 0);
      const usage = answer.body === null ? answer.chunks.at(-1)!.usage! : answer.body.usage;
      expect(usage).toMatchObject({ prompt_tokens: sum('prompt'), completion_tokens: sum('completion') });
      const tokens = {
        prompt: sum('prompt'),
        cachedPrompt: sum('cached'),
        completion: sum('completion'),
        reasoning: 0,
      };
      expect(answer.text).toContain(`"cost":${formatUsd(priceOf(tokens, shippedCatalog.price(model)!))}`);
      for (const index of [0, 1, 2]) expect(contentOf(answer, index)).not.toBe('');
      const reasons = answer.body?.choices ?? answer.chunks.flatMap(({ choices }) => choices);
      expect(
        reasons
          .filter(({ finish_reason: reason }) => reason !== null)
          .map(({ index }) => index)
          .sort(),
      ).toEqual([0, 1, 2]);
    });

    // Guarantee: what the client's own stop sequence ends is no bad answer, to be asked for again at our cost.
    it('shows what a stop sequence has ended of a JSON answer as it is, after one call', async () => {
      const nonce = newNonce();
      const answer = await chat(platform(), apiKey, {
        model,
        messages: [{ role: 'user', content: `[[sim nonce=${nonce} say="{'a' THREE"]] Answer in JSON.` }],
        response_format: { type: 'json_object' },
        stop: 'THREE',
      });
      expect([answer.status, answer.body?.choices[0]?.finish_reason]).toEqual([200, 'stop']);
      expect(contentOf(answer)).not.toContain('THREE');
      expect(await endedCalls(platform(), nonce, 1)).toHaveLength(1);
    });

    it('cuts at a stop sequence, whoever does it', async () => {
      const say = 'one two THREE four';
      const content = `[[sim say="${say}"]] Count.`;
      for (const stop of ['THREE', ['nowhere', 'four', 'THREE']]) {
        const answer = await chat(platform(), apiKey, { model, messages: [{ role: 'user', content }], stop });
        expect(contentOf(answer)).toBe('one two ');
        expect(answer.body?.choices[0]?.finish_reason).toBe('stop');
      }
    });
  });

  it.each([true, false])('deepseek-chat tells how sure it was, streamed %s', async (stream) => {
    const { answer } = await ask('deepseek-chat', { stream, logprobs: true, top_logprobs: 2 });
    expect(answer.headers.get('x-tunan-provider')).toBe('simulator');
    expect(answer.text).toMatch(/"logprobs":\{"content":\[\{"token":/);
    expect(answer.text).toContain('"top_logprobs":[');
  });

  it.each([
    ['glm-4-flash', { logprobs: true }, 'logprobs'],
    ['qwen-coder-plus', { logit_bias: { 1: 2 } }, 'logit_bias'],
    ['minimax-m3', { modalities: ['text', 'audio'] }, 'modalities'],
    ['deepseek-chat', { prediction: { type: 'content', content: 'x' } }, 'prediction'],
    ['deepseek-chat', { audio: { voice: 'a', format: 'wav' } }, 'audio'],
  ])('%s refuses %j before anything is sent', async (model, members, param) => {
    const nonce = newNonce();
    const messages = [{ role: 'user', content: `[[sim nonce=${nonce}]] Hi` }];
    const answer = await chat(platform(), apiKey, { model, messages, ...members });
    expect([answer.status, answer.body?.error]).toEqual([
      400,
      expect.objectContaining({ code: 'unsupported_parameter', param }),
    ]);
    const after = await ask(model, {});
    expect(after.upstream).toHaveLength(1);
  });
};
