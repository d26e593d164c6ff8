import { beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import {
  ExchangeHandler,
  type CatalogChannel,
  type CatalogIndex,
  type Exchange,
  type ExchangeReply,
  type ProviderId,
  type ReplySink,
  type ReplyStream,
} from '@tunan/contracts';
import { Fault, type FaultCode } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { RetryBudget } from '@tunan/resilience';
import { createLogger } from '@tunan/service-kit';
import { ChannelHealth } from './domain/channel-health.js';
import { RouterMetrics } from './edges/router-metrics.js';
import { RouteExchange } from './route-exchange.js';
import { aCatalog, aChannel } from './testing/a-catalog.js';

type Answer = FaultCode | Fault | 'unary' | ReplyStream;

/** A connector that answers as it is told, one answer per call and the last one for ever. */
class ScriptedConnector extends ExchangeHandler {
  readonly calls: Exchange[] = [];

  constructor(
    private readonly provider: string,
    private readonly answers: Answer[],
  ) {
    super();
  }

  handle(exchange: Exchange): Promise<ExchangeReply> {
    this.calls.push(exchange);
    const answer = this.answers.length > 1 ? this.answers.shift()! : this.answers[0]!;
    const target = exchange.target!;
    const served = {
      provider: this.provider,
      upstreamModel: target.upstreamModel,
      channel: target.channel,
      attempts: 1,
      fallback: false,
    };
    if (answer === 'unary')
      return Promise.resolve({
        kind: 'unary',
        served,
        body: Buffer.from('{}'),
        usage: null,
        outputTokens: 1,
      });
    if (answer instanceof Fault) return Promise.reject(answer);
    if (typeof answer === 'string') return Promise.reject(new Fault(answer, 'public'));
    return Promise.resolve({ kind: 'stream', served, body: answer });
  }
}

const PRIMARY = aChannel({ id: 'primary', priority: 100 });
const BACKUP = aChannel({ id: 'backup', priority: 50, provider: 'qwen', upstreamModel: 'qwen3.7-plus' });

describe('RouteExchange', () => {
  let clock: TestClock;
  let health: ChannelHealth;
  let registry: Registry;
  let connectors: Map<ProviderId, ScriptedConnector>;
  let catalog: { current: CatalogIndex };
  let router: RouteExchange;

  const build = (
    deepseek: Answer[],
    qwen: Answer[] = ['unary'],
    channels: readonly CatalogChannel[] = [PRIMARY, BACKUP],
  ) => {
    connectors = new Map([
      ['deepseek', new ScriptedConnector('deepseek', deepseek)],
      ['qwen', new ScriptedConnector('qwen', qwen)],
    ]);
    catalog = { current: aCatalog(channels) };
    registry = new Registry();
    router = new RouteExchange({
      catalog,
      connectors,
      health,
      budget: new RetryBudget(clock),
      metrics: new RouterMetrics(registry, () => channels.map(({ id }) => [id, health.state(id)] as const)),
      clock,
      random: () => 0.5,
      logger: createLogger('silent'),
      attemptsMax: 3,
    });
  };

  beforeEach(() => {
    clock = new TestClock();
    health = new ChannelHealth(clock, () => 0.5);
  });

  const exchange = (over: Partial<Exchange> = {}): Exchange => ({
    requestId: 'r1',
    operation: 'chat',
    body: { model: 'deepseek-chat', messages: [] },
    stream: false,
    ceiling: 100,
    includeUsage: false,
    strictParameters: false,
    deadlineMs: clock.monotonicMs() + 600_000,
    signal: new AbortController().signal,
    traceparent: undefined,
    caller: { accountId: 'acc_1', tier: 'paid' },
    target: undefined,
    ...over,
  });

  /** Runs one request, letting time pass wherever it waits. */
  const run = async (given = exchange()): Promise<ExchangeReply | Fault> => {
    let settled = false;
    const outcome = router.handle(given).then(
      (reply) => ((settled = true), reply),
      (fault: Fault) => ((settled = true), fault),
    );
    for (let turn = 0; turn < 50 && !settled; turn += 1) {
      await new Promise(setImmediate);
      if (!settled) clock.advance(100);
    }
    return outcome;
  };
  const calls = () => [...connectors.values()].map((connector) => connector.calls.length);

  it('sends a request to the first channel with its target', async () => {
    build(['unary']);
    expect(await run()).toMatchObject({
      served: { provider: 'deepseek', channel: 'primary', attempts: 1, fallback: false },
    });
    expect(connectors.get('deepseek')?.calls[0]?.target).toEqual({
      channel: 'primary',
      provider: 'deepseek',
      upstreamModel: 'deepseek-flash',
      thinking: false,
      billsAfterCancel: false,
      unstreamedTokensMax: 8_192,
      timeouts: PRIMARY.timeouts,
    });
  });

  it('retries once, then fails over, and says so', async () => {
    build(['upstream_error']);
    expect(await run()).toMatchObject({
      served: { provider: 'qwen', channel: 'backup', attempts: 3, fallback: true },
    });
    expect(calls()).toEqual([2, 1]);
    expect(await registry.metrics()).toMatch(/tunan_router_failovers_total\{from="primary",to="backup"\} 1/);
  });

  it('fails over at once where a retry is no use', async () => {
    build(['upstream_timeout']);
    expect(await run()).toMatchObject({ served: { channel: 'backup', attempts: 2 } });
    expect(calls()).toEqual([1, 1]);
  });

  it('recovers by a retry', async () => {
    build(['upstream_overloaded', 'unary']);
    expect(await run()).toMatchObject({ served: { channel: 'primary', attempts: 2, fallback: false } });
  });

  // Guarantee: what is the client's own fault is answered, not tried elsewhere.
  it.each<FaultCode>([
    'invalid_value',
    'content_filter',
    'context_length_exceeded',
    'request_too_large',
    'client_closed',
    'deadline_exceeded',
    'internal_error',
  ])('does not go on after %s', async (code) => {
    build([code]);
    expect(await run()).toMatchObject({ code });
    expect(calls()).toEqual([1, 0]);
  });

  // Guarantee: a client that allows a second for answers of three does not close the channel for everybody.
  it('uses a channel on which the time of many requests ran out', async () => {
    build([...Array<FaultCode>(20).fill('deadline_exceeded'), 'unary']);
    for (let times = 0; times < 20; times += 1)
      expect(await run()).toMatchObject({ spec: { status: 504, code: 'upstream_timeout' } });
    expect(await run()).toMatchObject({ served: { channel: 'primary', attempts: 1 } });
    expect(calls()).toEqual([21, 0]);
  });

  it('makes three attempts at most', async () => {
    build(['upstream_error'], ['upstream_error']);
    expect(await run()).toMatchObject({ code: 'upstream_error' });
    expect(calls()).toEqual([2, 1]);
  });

  it('does not count a connector without a credential as an attempt', async () => {
    build(['no_channel_available']);
    expect(await run()).toMatchObject({ served: { channel: 'backup', attempts: 1, fallback: true } });
    // It rests, so the next request does not ask again.
    await run();
    expect(calls()).toEqual([1, 2]);
  });

  it('leaves out channels whose provider this installation does not have', async () => {
    build(['unary'], ['unary'], [aChannel({ id: 'other', provider: 'glm', priority: 200 }), PRIMARY]);
    expect(await run()).toMatchObject({ served: { channel: 'primary', fallback: true } });
  });

  it('goes past a channel whose breaker is open, and back once it works again', async () => {
    build([
      'upstream_timeout',
      'upstream_timeout',
      'upstream_timeout',
      'upstream_timeout',
      'upstream_timeout',
      'unary',
    ]);
    for (let request = 0; request < 5; request += 1) await run();
    expect(health.state('primary')).toBe('open');
    expect(await run()).toMatchObject({ served: { channel: 'backup', attempts: 1, fallback: true } });
    clock.advance(10_000);
    expect(await run()).toMatchObject({ served: { channel: 'primary', attempts: 1, fallback: false } });
    expect(health.state('primary')).toBe('closed');
  });

  it('lets a limited channel rest until its provider said', async () => {
    build([new Fault('upstream_rate_limited', 'x', { retryAfterMs: 20_000 }), 'unary']);
    expect(await run()).toMatchObject({ served: { channel: 'backup' } });
    expect(await run()).toMatchObject({ served: { channel: 'backup' } });
    clock.advance(20_000);
    expect(await run()).toMatchObject({ served: { channel: 'primary' } });
  });

  // Guarantee: nobody is told of a limit or a debt of ours as if it were his.
  it('answers 503 with a time to come back when every channel is limited', async () => {
    const limited = () => [new Fault('upstream_rate_limited', 'x', { retryAfterMs: 20_000 })];
    build(limited(), limited());
    expect(await run()).toMatchObject({
      code: 'upstream_rate_limited',
      spec: { status: 503, code: 'upstream_unavailable' },
      retryAfterMs: 20_000,
    });
    clock.advance(5_000);
    expect(await run()).toMatchObject({ code: 'no_channel_available', retryAfterMs: 15_000 });
    expect(calls()).toEqual([1, 1]);
    expect(await registry.metrics()).toMatch(/tunan_router_unavailable_total 1/);
  });

  it('answers 503 for a model without channels', async () => {
    build(['unary'], ['unary'], []);
    expect(await run()).toMatchObject({ code: 'no_channel_available', retryAfterMs: 60_000 });
  });

  // Guarantee: a failing upstream meets at most a fifth more calls than requests, three retries aside.
  it('stops retrying when the budget is used up', async () => {
    build(
      [
        'upstream_error',
        'unary',
        'upstream_error',
        'unary',
        'upstream_error',
        'unary',
        'upstream_error',
        'unary',
      ],
      ['unary'],
    );
    const served: unknown[] = [];
    for (let request = 0; request < 4; request += 1)
      served.push(((await run()) as ExchangeReply).served.channel);
    expect(served).toEqual(['primary', 'primary', 'primary', 'backup']);
  });

  it('does not start what can not end before the deadline', async () => {
    build(['upstream_error']);
    expect(await run(exchange({ deadlineMs: clock.monotonicMs() + 500 }))).toMatchObject({
      code: 'upstream_error',
    });
    expect(calls()).toEqual([1, 0]);
  });

  it('does not go on for a client that left meanwhile', async () => {
    build(['upstream_timeout']);
    const abort = new AbortController();
    abort.abort();
    await run(exchange({ signal: abort.signal }));
    expect(calls()).toEqual([1, 0]);
  });

  it('forgets the history of channels that a new catalog does not have', async () => {
    build(['upstream_auth', 'unary']);
    await run();
    expect(health.state('primary')).toBe('open');
    catalog.current = aCatalog([BACKUP], 2);
    await run();
    expect(health.state('primary')).toBe('closed');
  });

  it('shows the state of every channel', async () => {
    build(['upstream_auth']);
    await run();
    const text = await registry.metrics();
    expect(text).toContain('tunan_router_channel_state{channel="primary"} 3');
    expect(text).toContain('tunan_router_channel_state{channel="backup"} 0');
    expect(text).toContain('tunan_router_attempts_total{channel="primary",outcome="config"} 1');
    expect(text).toContain('tunan_router_attempts_total{channel="backup",outcome="answered"} 1');
    expect(text).toContain('tunan_router_credential_actions_total{channel="primary",action="disable"} 1');
  });

  describe('streams', () => {
    class HandStream implements ReplyStream {
      sink!: ReplySink;
      resumed = 0;
      start(sink: ReplySink): void {
        this.sink = sink;
      }
      resume(): void {
        this.resumed += 1;
      }
    }
    const receiver = () => {
      const seen: unknown[] = [];
      const sink: ReplySink = {
        frames: (bytes, tokens) => (seen.push([bytes.toString(), tokens]), false),
        usage: (usage, frame) => void seen.push([usage, frame.toString()]),
        end: () => void seen.push('end'),
        fail: (fault) => void seen.push(fault.code),
      };
      return { seen, sink };
    };

    it('passes everything through, back-pressure included', async () => {
      const stream = new HandStream();
      build([stream]);
      const reply = await run(exchange({ stream: true }));
      if (reply instanceof Fault || reply.kind !== 'stream') throw new Error('not a stream');
      const { seen, sink } = receiver();
      reply.body.start(sink);
      expect(stream.sink.frames(Buffer.from('a'), 2)).toBe(false);
      reply.body.resume();
      expect(stream.resumed).toBe(1);
      stream.sink.usage(null, Buffer.from('u'));
      stream.sink.end();
      expect(seen).toEqual([['a', 2], [null, 'u'], 'end']);
    });

    // Guarantee: after content nothing is tried again; the channel alone suffers for the break.
    it('reports a stream that breaks and counts it against its channel', async () => {
      build([new HandStream()]);
      for (let request = 0; request < 20; request += 1) {
        const reply = await run(exchange({ stream: true }));
        if (reply instanceof Fault || reply.kind !== 'stream') throw new Error('not a stream');
        const { seen, sink } = receiver();
        reply.body.start(sink);
        (connectors.get('deepseek')!['answers'][0] as HandStream).sink.fail(
          new Fault('upstream_stream_cut', 'x'),
        );
        expect(seen).toEqual(['upstream_stream_cut']);
        if (health.state('primary') === 'open') break;
      }
      expect(health.state('primary')).toBe('open');
      expect(connectors.get('qwen')?.calls).toHaveLength(0);
      expect(await registry.metrics()).toMatch(/tunan_router_broken_streams_total\{channel="primary"\} 10/);
    });

    // Guarantee: a stream that only says who was asked when its client left proves no channel to be well.
    it('learns nothing of a channel from a client that left before content', async () => {
      build([...Array<Answer>(5).fill('upstream_timeout'), new HandStream()]);
      for (let request = 0; request < 5; request += 1) await run();
      clock.advance(10_000);
      expect(health.state('primary')).toBe('half-open');
      const abort = new AbortController();
      const given = exchange({ stream: true, signal: abort.signal });
      abort.abort();
      expect(await run(given)).toMatchObject({ served: { channel: 'primary' } });
      expect(health.state('primary')).toBe('half-open');
      expect(await registry.metrics()).not.toMatch(/channel="primary",outcome="answered"/);
    });

    // Guarantee: nobody closes a channel for others by leaving its streams, or by setting them a short deadline.
    it.each<FaultCode>(['client_closed', 'deadline_exceeded'])('does not count %s', async (code) => {
      const stream = new HandStream();
      build([stream]);
      for (let times = 0; times < 20; times += 1) {
        const reply = await run(exchange({ stream: true }));
        if (reply instanceof Fault || reply.kind !== 'stream') throw new Error('not a stream');
        reply.body.start(receiver().sink);
        stream.sink.fail(new Fault(code, 'x'));
      }
      expect(health.state('primary')).toBe('closed');
      expect(await registry.metrics()).not.toMatch(/broken_streams_total\{/);
    });
  });
});
