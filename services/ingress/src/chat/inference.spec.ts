import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { CatalogModel } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { createLogger } from '@tunan/service-kit';
import { Principals } from '../principals.js';
import { FakeAuth } from '../testing/fake-auth.js';
import { ScriptedRouter, SERVED as served, SERVED_USAGE as usage } from '../testing/scripted-router.js';
import { Inference, type InferenceRequest } from './inference.js';
import { OpenExchanges } from './open-exchanges.js';

const content = Buffer.from('data: {"choices":[{"delta":{"content":"Hello"}}],"usage":null}\n\n');
const usageFrame = Buffer.from('data: {"choices":[],"usage":{"prompt_tokens":8}}\n\n');
const WRITE_STALL_MS = 60_000;
const KEEP_ALIVE_MS = 15_000;

describe('Inference', () => {
  let auth: FakeAuth;
  let router: ScriptedRouter;
  let clock: TestClock;
  let exchanges: OpenExchanges;
  let server: Server;
  /** The answer under way, as the server has it. */
  let answer: ServerResponse;
  let url: string;
  let stream = false;
  let includeUsage = false;
  let timeouts: InferenceRequest['timeouts'];
  let idempotency: InferenceRequest['idempotency'];

  beforeEach(async () => {
    auth = new FakeAuth();
    router = new ScriptedRouter();
    clock = new TestClock();
    exchanges = new OpenExchanges(clock);
    exchanges.start();
    const logger = createLogger('silent');
    const times = { keepAliveMs: KEEP_ALIVE_MS, writeStallMs: WRITE_STALL_MS, exchangeMsMax: 600_000 };
    const principals = new Principals(auth, clock, 10);
    const inference = new Inference(auth, router, principals, exchanges, clock, logger, times);
    server = createServer((_request, response) => {
      answer = response;
      void inference.run(requestFacts(), response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    stream = false;
    includeUsage = false;
    idempotency = undefined;
    timeouts = { headersMs: null, silenceMs: null, totalMs: null };
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const requestFacts = (): InferenceRequest => ({
    requestId: 'r1',
    apiKey: 'sk-x',
    principal: { accountId: 'acc_1', keyId: 'key_1', tier: 'free', models: null, aliases: true },
    operation: 'chat',
    model: { id: 'deepseek-chat' } as CatalogModel,
    alias: undefined,
    catalogVersion: 1,
    body: { model: 'deepseek-chat', messages: [{ role: 'user', content: 'Hi' }] },
    stream,
    strictParameters: false,
    includeUsage,
    completions: 1,
    ceiling: null,
    promptLikely: 10,
    promptBound: 20,
    timeouts,
    idempotency,
    traceparent: undefined,
    startedMs: clock.monotonicMs(),
    headers: { 'x-request-id': 'r1' },
  });

  /** A client that sees the answer as it comes. */
  const call = () => {
    const seen = { text: '', status: 0, headers: {} as IncomingMessage['headers'] };
    const request = httpRequest(url, { method: 'POST', agent: false });
    const answered = new Promise<void>((resolve) => {
      request.once('response', (response) => {
        seen.status = response.statusCode!;
        seen.headers = response.headers;
        response.on('data', (chunk: Buffer) => (seen.text += chunk.toString()));
        response.once('close', resolve);
      });
      request.once('error', () => resolve());
    });
    request.end();
    return { seen, answered, leave: () => request.destroy() };
  };

  /** Lets sockets and promises do what is pending. */
  const settleDown = async (until: () => boolean): Promise<void> => {
    const endMs = performance.now() + 2_000;
    while (!until() && performance.now() < endMs) await new Promise((resolve) => setImmediate(resolve));
    expect(until()).toBe(true);
  };

  describe('a unary answer', () => {
    it('has a durable bill before its first byte, and shows its cost', async () => {
      const client = call();
      await router.called;
      let begunBefore = true;
      auth.onSettle = () => (begunBefore = answer.headersSent);
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

    it('that fails is an error with its status, and is not charged', async () => {
      const client = call();
      await router.called;
      router.fail(new Fault('upstream_timeout', 'It took too long.'));
      await client.answered;
      expect(client.seen.status).toBe(504);
      expect(auth.settlements).toMatchObject([{ outcome: 'failed', usage: null }]);
    });

    // Guarantee: who left without an answer pays for none; what the provider reported is recorded.
    it.each(['fails', 'comes all the same'])(
      'whose client left is not a completed one (it %s)',
      async (what) => {
        const client = call();
        await router.called;
        client.leave();
        await settleDown(() => router.exchange.signal.aborted);
        if (what === 'fails') router.fail(new Fault('client_closed', 'x'));
        else router.unary('{"usage":{}}');
        await settleDown(() => exchanges.size === 0);
        expect(auth.settlements).toMatchObject([
          { outcome: 'aborted', usage: what === 'fails' ? null : usage },
        ]);
      },
    );

    it('is not sent if its bill cannot be made durable', async () => {
      auth.settleFailures = 100;
      const client = call();
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
      const client = call();
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
      stream = true;
    });

    it('flows through byte for byte, and ends with [DONE] only after its bill is durable', async () => {
      const client = call();
      await router.called;
      const sink = await router.stream();
      sink.frames(content, 1);
      await settleDown(() => client.seen.text === content.toString());
      let endedBefore = true;
      auth.onSettle = () => (endedBefore = answer.writableEnded);
      sink.usage(usage, usageFrame);
      sink.end();
      await client.answered;
      expect(endedBefore).toBe(false);
      expect(client.seen.text).toBe(`${content}data: [DONE]\n\n`);
      expect(auth.settlements).toMatchObject([{ outcome: 'completed', usage, deliveredTokens: 1 }]);
    });

    it('has a usage chunk with the cost if the client asked for one', async () => {
      includeUsage = true;
      const client = call();
      await router.called;
      const sink = await router.stream();
      sink.frames(content, 1);
      sink.usage(usage, usageFrame);
      sink.end();
      await client.answered;
      expect(client.seen.text).toContain('"usage":{"prompt_tokens":8,"cost":0.0000052}}\n\ndata: [DONE]\n\n');
    });

    // Guarantee: an answer reads as complete only if its bill is durable.
    it('whose bill cannot be made durable ends with an error event and no [DONE]', async () => {
      auth.settleFailures = 100;
      const client = call();
      await router.called;
      const sink = await router.stream();
      sink.frames(content, 1);
      sink.usage(usage, usageFrame);
      sink.end();
      await settleDown(() => {
        clock.advance(1_000);
        return exchanges.size === 0;
      });
      await client.answered;
      expect(client.seen.text).toContain('data: {"error":');
      expect(client.seen.text).not.toContain('[DONE]');
    });

    it('that breaks after content ends with an error event and no [DONE], and what was delivered is charged', async () => {
      const client = call();
      await router.called;
      const sink = await router.stream();
      sink.frames(content, 3);
      sink.fail(new Fault('upstream_stream_cut', 'The answer was cut off.'));
      await client.answered;
      expect(client.seen.text).toMatch(/data: \{"error":\{"message":"The answer was cut off\.".*\}\}\n\n$/);
      expect(client.seen.text).not.toContain('[DONE]');
      expect(auth.settlements).toMatchObject([{ outcome: 'cut', usage: null, deliveredTokens: 3 }]);
    });

    it('that breaks before content is an error with its status, and is not charged', async () => {
      const client = call();
      await router.called;
      router.fail(new Fault('no_channel_available', 'No provider is available.'));
      await client.answered;
      expect(client.seen.status).toBe(503);
      expect(client.seen.headers['content-type']).toContain('application/json');
      expect(auth.settlements).toMatchObject([{ outcome: 'failed' }]);
    });

    it('opens with a comment after 15 seconds of silence, never before, and then fails by an error event', async () => {
      const client = call();
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
      includeUsage = true;
      const client = call();
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
      timeouts = { headersMs: 6_000, silenceMs: 6_000, totalMs: null };
      const client = call();
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
      timeouts = { headersMs: null, silenceMs: null, totalMs: 20_000 };
      const startedMs = clock.monotonicMs();
      const client = call();
      await router.called;
      expect(router.exchange.deadlineMs).toBe(startedMs + 20_000);
      client.leave();
      await settleDown(() => router.exchange.signal.aborted);
    });

    it('tells the stages that its client went away, and charges what they report then', async () => {
      const client = call();
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
      const client = call();
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
      const client = call();
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
      const client = call();
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
      const client = call();
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
    const client = call();
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
    const client = call();
    await client.answered;
    expect(client.seen).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  });

  it('takes back an admission whose answer it never received', async () => {
    auth.admission = new Fault('service_unavailable', 'x');
    const client = call();
    await client.answered;
    expect(client.seen.status).toBe(503);
    await settleDown(() => auth.voids.length === 1);
    expect(auth.voids).toEqual([{ requestId: 'r1', giveBackRequest: true }]);
  });
});
