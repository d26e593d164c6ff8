import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '@tunan/kernel';
import type { TestClock } from '@tunan/kernel/testing';
import type { FakeAuth } from '../testing/fake-auth.js';
import { CONTENT as content, InferenceRig, KEEP_ALIVE_MS, settleDown } from '../testing/inference-rig.js';
import { SERVED as served, SERVED_USAGE as usage, type ScriptedRouter } from '../testing/scripted-router.js';
import type { OpenExchanges } from './open-exchanges.js';

const usageFrame = Buffer.from('data: {"choices":[],"usage":{"prompt_tokens":8}}\n\n');

describe('Inference', () => {
  let rig: InferenceRig;
  let auth: FakeAuth;
  let router: ScriptedRouter;
  let clock: TestClock;
  let exchanges: OpenExchanges;

  beforeEach(() => {
    rig = new InferenceRig();
    ({ auth, router, clock, exchanges } = rig);
    return rig.start();
  });
  afterEach(() => rig.stop());

  describe('a unary answer', () => {
    it('has a durable bill before its first byte, and shows its cost', async () => {
      const client = rig.call();
      await router.called;
      let begunBefore = true;
      auth.onSettle = () => (begunBefore = rig.answer.headersSent);
      router.unary('{"id":"c","usage":{"prompt_tokens":8}}');
      await client.answered;
      expect(client.seen).toMatchObject({
        status: 200,
        text: '{"id":"c","usage":{"prompt_tokens":8,"cost":0.0000052}}',
      });
      expect(begunBefore).toBe(false);
      expect(client.seen.headers).toMatchObject({
        'x-tunan-provider': 'deepseek',
        'x-ratelimit-remaining': '59',
      });
      expect(auth.settlements).toMatchObject([{ outcome: 'completed', usage }]);
      expect(exchanges.size).toBe(0);
    });

    it('shows the limits after its settlement, not those of its admission', async () => {
      auth.limitsAfter = {
        requests: { limit: 60, remaining: 41, resetMs: 45_000 },
        tokens: { limit: 500_000, remaining: 499_974, resetMs: 45_000 },
      };
      const client = rig.call();
      await router.called;
      clock.advance(15_000);
      router.unary('{"usage":{}}');
      await client.answered;
      expect(client.seen.headers).toMatchObject({
        'x-ratelimit-remaining': '41',
        'x-ratelimit-reset': String(Math.ceil((clock.nowMs() + 45_000) / 1_000)),
        'x-ratelimit-reset-requests': '45s',
        'x-ratelimit-remaining-tokens': '499974',
      });
    });

    it('that fails is an error with its status and the limits of the moment, and is not charged', async () => {
      auth.limitsAfter = {
        requests: { limit: 60, remaining: 41, resetMs: 45_000 },
        tokens: { limit: 500_000, remaining: 499_974, resetMs: 45_000 },
      };
      const client = rig.call();
      await router.called;
      router.fail(new Fault('upstream_timeout', 'It took too long.'));
      await client.answered;
      expect(client.seen.status).toBe(504);
      expect(client.seen.headers).toMatchObject({ 'x-ratelimit-remaining-tokens': '499974' });
      expect(auth.settlements).toMatchObject([{ outcome: 'failed', usage: null }]);
    });

    // Guarantee: work that nobody pays for is limited by tokens as well, unless it was the provider that failed.
    it.each([
      ['deadline_exceeded', true],
      ['structured_output_failed', true],
      ['upstream_timeout', false],
      ['upstream_error', false],
      ['no_channel_available', false],
    ] as const)('that fails with %s is said to be worked for: %p', async (code, workedFor) => {
      const client = rig.call();
      await router.called;
      router.fail(new Fault(code, 'No answer.'));
      await client.answered;
      expect(auth.settlements).toMatchObject([{ outcome: 'failed', workedFor }]);
    });

    // Guarantee: who left without an answer pays for none; what the provider reported is recorded.
    it.each(['fails', 'comes all the same'])(
      'whose client left is not a completed one (it %s)',
      async (what) => {
        const client = rig.call();
        await router.called;
        client.leave();
        await settleDown(() => router.exchange.signal.aborted);
        if (what === 'fails') router.fail(new Fault('client_closed', 'x'));
        else router.unary('{"usage":{}}');
        await settleDown(() => exchanges.size === 0);
        expect(auth.settlements).toMatchObject([
          { outcome: 'aborted', usage: what === 'fails' ? null : usage, workedFor: true },
        ]);
      },
    );

    it('goes out in the pieces in which it came, the last with its cost, after its bill', async () => {
      const client = rig.call();
      await router.called;
      let begunBefore = true;
      auth.onSettle = () => (begunBefore = rig.answer.headersSent);
      const head = ['{"data":["', 'x'.repeat(1_000_000)].map((text) => Buffer.from(text));
      router.unary('"],"usage":{"prompt_tokens":8}}', head);
      await client.answered;
      const text = `{"data":["${'x'.repeat(1_000_000)}"],"usage":{"prompt_tokens":8,"cost":0.0000052}}`;
      expect(client.seen).toMatchObject({ status: 200, text });
      expect(client.seen.headers).toMatchObject({ 'content-length': String(text.length) });
      expect(begunBefore).toBe(false);
    });

    it('is not sent if its bill cannot be made durable', async () => {
      auth.settleFailures = 100;
      const client = rig.call();
      await router.called;
      router.unary('{"id":"secret","usage":{}}');
      await settleDown(() => {
        clock.advance(1_000);
        return client.seen.status !== 0;
      });
      await client.answered;
      expect(client.seen.status).toBe(500);
      expect(client.seen.text).not.toContain('secret');
    });

    it('is settled once although the first tries to settle fail', async () => {
      auth.settleFailures = 2;
      const client = rig.call();
      await router.called;
      router.unary('{"usage":{}}');
      await settleDown(() => {
        clock.advance(1_000);
        return client.seen.status !== 0;
      });
      expect(client.seen.status).toBe(200);
      expect(auth.settlements).toHaveLength(1);
    });
  });

  describe('a streamed answer', () => {
    beforeEach(() => {
      rig.facts = { stream: true };
    });

    it('flows through byte for byte, and ends with [DONE] only after its bill is durable', async () => {
      const client = rig.call();
      await router.called;
      const sink = await router.stream();
      sink.frames(content, 1);
      await settleDown(() => client.seen.text === content.toString());
      let endedBefore = true;
      auth.onSettle = () => (endedBefore = rig.answer.writableEnded);
      sink.usage(usage, usageFrame);
      sink.end();
      await client.answered;
      expect(endedBefore).toBe(false);
      expect(client.seen.text).toBe(`${content}data: [DONE]\n\n`);
      expect(auth.settlements).toMatchObject([{ outcome: 'completed', usage, deliveredTokens: 1 }]);
    });

    it('has a usage chunk with the cost if the client asked for one', async () => {
      rig.facts = { stream: true, includeUsage: true };
      const client = rig.call();
      await router.called;
      const sink = await router.stream();
      sink.frames(content, 1);
      sink.usage(usage, usageFrame);
      sink.end();
      await client.answered;
      expect(client.seen.text).toContain('"usage":{"prompt_tokens":8,"cost":0.0000052}}\n\ndata: [DONE]\n\n');
    });

    it('that opens late shows how near the reset is by then', async () => {
      const client = rig.call();
      await router.called;
      clock.advance(KEEP_ALIVE_MS);
      await settleDown(() => client.seen.status === 200);
      expect(client.seen.headers).toMatchObject({
        'x-ratelimit-remaining': '59',
        'x-ratelimit-reset-requests': '0s',
        'x-ratelimit-reset': String(Math.ceil(clock.nowMs() / 1_000)),
      });
      client.leave();
      await settleDown(() => router.exchange.signal.aborted);
      router.fail(new Fault('client_closed', 'x'));
      await settleDown(() => exchanges.size === 0);
    });

    // Guarantee: an answer reads as complete only if its bill is durable.
    it('whose bill cannot be made durable ends with an error event and no [DONE]', async () => {
      auth.settleFailures = 100;
      const client = rig.call();
      await router.called;
      const sink = await router.stream();
      sink.frames(content, 1);
      sink.usage(usage, usageFrame);
      sink.end();
      await settleDown(() => {
        clock.advance(1_000);
        return client.seen.text.includes('data: {"error":');
      });
      await client.answered;
      expect(client.seen.text).not.toContain('[DONE]');
      // What was delivered is charged once that is possible, and the process does not stop before.
      expect(exchanges.size).toBe(1);
      auth.settleFailures = 0;
      await settleDown(() => {
        clock.advance(1_000);
        return exchanges.size === 0;
      });
      expect(auth.settlements).toMatchObject([{ outcome: 'cut', usage, deliveredTokens: 1 }]);
    });

    it('that breaks after content ends with an error event and no [DONE], and what was delivered is charged', async () => {
      const client = rig.call();
      await router.called;
      const sink = await router.stream();
      sink.frames(content, 3);
      sink.fail(new Fault('upstream_stream_cut', 'The answer was cut off.'));
      await client.answered;
      expect(client.seen.text).toMatch(/data: \{"error":\{"message":"The answer was cut off\.".*\}\}\n\n$/);
      expect(client.seen.text).not.toContain('[DONE]');
      expect(auth.settlements).toMatchObject([{ outcome: 'cut', usage: null, deliveredTokens: 3 }]);
    });

    it.each([
      ['client_closed', true],
      ['upstream_error', false],
    ] as const)(
      'that its client leaves before content, and ends with %s, is said to be worked for: %p',
      async (code, workedFor) => {
        const client = rig.call();
        await router.called;
        client.leave();
        await settleDown(() => router.exchange.signal.aborted);
        router.fail(new Fault(code, 'No answer.'));
        await settleDown(() => exchanges.size === 0);
        expect(auth.settlements).toMatchObject([{ outcome: 'aborted', served: null, workedFor }]);
      },
    );

    it('that breaks before content is an error with its status, and is not charged', async () => {
      const client = rig.call();
      await router.called;
      router.fail(new Fault('no_channel_available', 'No provider is available.'));
      await client.answered;
      expect(client.seen.status).toBe(503);
      expect(client.seen.headers['content-type']).toContain('application/json');
      expect(auth.settlements).toMatchObject([{ outcome: 'failed' }]);
    });

    it('opens with a comment after 15 seconds of silence, never before, and then fails by an error event', async () => {
      const client = rig.call();
      await router.called;
      clock.advance(KEEP_ALIVE_MS - 1_000);
      await new Promise((resolve) => setImmediate(resolve));
      expect(client.seen.status).toBe(0);
      clock.advance(2_000);
      await settleDown(() => client.seen.text === ': keep-alive\n\n');
      router.fail(new Fault('upstream_error', 'It failed.'));
      await client.answered;
      expect(client.seen.status).toBe(200);
      expect(client.seen.text).toContain('data: {"error":');
      expect(auth.settlements).toMatchObject([{ outcome: 'failed' }]);
    });

    it('that opened before anything had answered says in its usage chunk what served it', async () => {
      rig.facts = { stream: true, includeUsage: true };
      const client = rig.call();
      await router.called;
      clock.advance(KEEP_ALIVE_MS + 1_000);
      await settleDown(() => client.seen.text === ': keep-alive\n\n');
      expect(client.seen.headers['x-tunan-provider']).toBeUndefined();
      const sink = await router.stream();
      sink.frames(content, 1);
      sink.usage(usage, usageFrame);
      sink.end();
      await client.answered;
      expect(client.seen.text).toContain('"tunan":{"provider":"deepseek","upstream_model":"m"');
    });

    it('opens before its client gives up, and is kept alive within a third of its read timeout', async () => {
      rig.facts = { stream: true, timeouts: { headersMs: 6_000, silenceMs: 6_000, totalMs: null } };
      const client = rig.call();
      await router.called;
      clock.advance(4_500);
      await new Promise((resolve) => setImmediate(resolve));
      expect(client.seen.status).toBe(0);
      clock.advance(1_000);
      await settleDown(() => client.seen.text === ': keep-alive\n\n');
      clock.advance(2_250);
      await settleDown(() => client.seen.text === ': keep-alive\n\n'.repeat(2));
      expect(router.exchange.deadlineMs).toBeGreaterThan(500_000);
      client.leave();
      await settleDown(() => router.exchange.signal.aborted);
    });

    it('has the deadline that its client asked for', async () => {
      rig.facts = { stream: true, timeouts: { headersMs: null, silenceMs: null, totalMs: 20_000 } };
      const startedMs = clock.monotonicMs();
      const client = rig.call();
      await router.called;
      expect(router.exchange.deadlineMs).toBe(startedMs + 20_000);
      client.leave();
      await settleDown(() => router.exchange.signal.aborted);
    });

    it('tells the stages that its client went away, and charges what they report then', async () => {
      const client = rig.call();
      await router.called;
      const sink = await router.stream();
      sink.frames(content, 2);
      await settleDown(() => client.seen.text !== '');
      client.leave();
      await settleDown(() => router.exchange.signal.aborted);
      sink.usage(usage, usageFrame);
      sink.fail(new Fault('client_closed', 'x'));
      await settleDown(() => exchanges.size === 0);
      expect(auth.settlements).toMatchObject([{ outcome: 'aborted', usage, deliveredTokens: 2 }]);
    });

    // Guarantee: a provider that was asked for a client that left is named, so that the prompt is charged.
    it('whose client left before content is settled with what served it', async () => {
      const client = rig.call();
      await router.called;
      client.leave();
      await settleDown(() => router.exchange.signal.aborted);
      const sink = await router.stream();
      sink.fail(new Fault('client_closed', 'x'));
      await settleDown(() => exchanges.size === 0);
      expect(auth.settlements).toMatchObject([
        { outcome: 'aborted', usage: null, deliveredTokens: 0, served },
      ]);
    });

    it('whose client left when it was whole is charged as whole', async () => {
      const client = rig.call();
      await router.called;
      const sink = await router.stream();
      sink.frames(content, 2);
      await settleDown(() => client.seen.text !== '');
      client.leave();
      await settleDown(() => router.exchange.signal.aborted);
      sink.usage(usage, usageFrame);
      sink.end();
      await settleDown(() => exchanges.size === 0);
      expect(auth.settlements).toMatchObject([{ outcome: 'completed', usage }]);
    });

    it('renews its lease four times per lease, with the progress so far', async () => {
      const client = rig.call();
      await router.called;
      const sink = await router.stream();
      sink.frames(content, 5);
      await settleDown(() => client.seen.text !== '');
      for (let second = 0; second < 60; second += 1) {
        clock.advance(1_000);
        await Promise.resolve();
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(auth.renewals.length).toBeGreaterThanOrEqual(3);
      expect(auth.renewals.length).toBeLessThanOrEqual(4);
      expect(auth.renewals.at(-1)).toEqual({ deliveredTokens: 5 });
      client.leave();
      await settleDown(() => router.exchange.signal.aborted);
      sink.fail(new Fault('client_closed', 'x'));
      await settleDown(() => exchanges.size === 0);
    });

    it('ends if its request was settled by somebody else', async () => {
      auth.renewal = 'settled';
      const client = rig.call();
      await router.called;
      const sink = await router.stream();
      sink.frames(content, 5);
      await settleDown(() => client.seen.text !== '');
      clock.advance(16_000);
      await client.answered;
      expect(router.exchange.signal.aborted).toBe(true);
      expect(client.seen.text).toContain('"code":"internal_error"');
    });
  });

  it('refuses with the reason of the denial, its limits and its headers', async () => {
    const limits = {
      requests: { limit: 60, remaining: 0, resetMs: 30_000 },
      tokens: { limit: 1, remaining: 1, resetMs: 0 },
    };
    auth.admission = {
      outcome: 'denied',
      reason: 'requests',
      limits,
      retryAfterMs: 2_500,
      needed: null,
      available: null,
    };
    const client = rig.call();
    await client.answered;
    expect(client.seen.status).toBe(429);
    expect(client.seen.headers).toMatchObject({
      'retry-after': '3',
      'retry-after-ms': '2500',
      'x-ratelimit-remaining': '0',
    });
    expect(auth.settlements).toEqual([]);
  });

  it('is 503 with Retry-After, never 402, while the account is not loaded', async () => {
    auth.admission = { outcome: 'cold', retryAfterMs: 700 };
    const client = rig.call();
    await client.answered;
    expect(client.seen).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  });

  it('takes back an admission whose answer it never received', async () => {
    auth.admission = new Fault('service_unavailable', 'x');
    const client = rig.call();
    await client.answered;
    expect(client.seen.status).toBe(503);
    await settleDown(() => auth.voids.length === 1);
    expect(auth.voids).toEqual([{ requestId: 'r1', giveBackRequest: true }]);
  });
});
