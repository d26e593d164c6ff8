import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { delta } from '../testing/chunks.js';
import { aTarget, anExchange } from '../testing/exchanges.js';
import { RecordingSink } from '../testing/recording-sink.js';
import { eventText } from '../testing/scripted-provider.js';
import { faultOf, ScriptedStages } from '../testing/scripted-stage.js';

describe('limits of a call', () => {
  let stages: ScriptedStages;

  beforeAll(async () => {
    stages = await ScriptedStages.open();
  });
  afterEach(() => stages.disconnect());
  afterAll(() => stages.close());

  const timeouts = {
    connectMs: 2_000,
    firstContentMs: 5_000,
    idleMs: 5_000,
    unaryFirstByteMs: 5_000,
    totalMs: 30_000,
  };
  const limited = (over: Partial<typeof timeouts>, stream = true) =>
    anExchange({ stream, target: aTarget({ timeouts: { ...timeouts, ...over } }) });

  // Guarantee: keep-alives are no content, so they do not keep a hanging answer alive.
  it('gives up a stream that only sends keep-alives', async () => {
    stages.vendor.answers(async (response, call) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const timer = setInterval(() => response.write(': keep-alive\n\n'), 10);
      await call.cut;
      clearInterval(timer);
    });
    expect(await faultOf(stages.stage().handle(limited({ firstContentMs: 200 })))).toMatchObject({
      code: 'upstream_timeout',
    });
    await stages.vendor.calls[0]?.cut;
  });

  it('gives up a stream that stalls behind keep-alives', async () => {
    stages.vendor.answers(async (response, call) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(eventText(delta({ content: 'Hel' })));
      const timer = setInterval(() => response.write(': keep-alive\n\n'), 10);
      await call.cut;
      clearInterval(timer);
    });
    const sink = await RecordingSink.drain(await stages.stage().handle(limited({ idleMs: 200 })));
    expect(sink.ending).toMatchObject({ code: 'upstream_timeout' });
  });

  it('gives up a unary call that sends blank lines only', async () => {
    stages.vendor.answers(async (response, call) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const timer = setInterval(() => response.write('\n'), 10);
      await call.cut;
      clearInterval(timer);
    });
    const hanging = { ...limited({ unaryFirstByteMs: 200 }, false), ceiling: 1 };
    const reply = stages.stage().handle(hanging);
    expect(await faultOf(reply)).toMatchObject({ code: 'upstream_timeout' });
  });

  // Guarantee: a client that is in a hurry is no failure of the provider, whose breaker it would open for everybody.
  it.each([true, false])(
    'gives up at the deadline, which is not the provider’s (stream: %s)',
    async (stream) => {
      stages.vendor.answers(() => undefined);
      const exchange = anExchange({ stream, deadlineMs: stages.clock.monotonicMs() + 200 });
      expect(await faultOf(stages.stage().handle(exchange))).toMatchObject({
        code: 'deadline_exceeded',
        spec: { status: 504, code: 'upstream_timeout', credential: 'keep', failover: 'never' },
      });
    },
  );

  it('cuts a stream that had begun at the deadline, likewise', async () => {
    stages.vendor.answers((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(eventText(delta({ content: 'Hel' })));
    });
    const reply = await stages.stage().handle(anExchange({ deadlineMs: stages.clock.monotonicMs() + 500 }));
    expect((await RecordingSink.drain(reply)).ending).toMatchObject({ code: 'deadline_exceeded' });
  });

  it.each([true, false])('gives up a call after the channel’s own time (stream: %s)', async (stream) => {
    stages.vendor.answers(() => undefined);
    expect(await faultOf(stages.stage().handle(limited({ totalMs: 200 }, stream)))).toMatchObject({
      code: 'upstream_timeout',
    });
  });

  it('refuses a call when every connection is taken', async () => {
    stages.vendor.answers(() => undefined);
    const stage = stages.stage('deepseek', { connectionsMax: 1 });
    const abort = new AbortController();
    const first = stage.handle(anExchange({ signal: abort.signal }));
    expect(await faultOf(stage.handle(anExchange()))).toMatchObject({
      code: 'connections_taken',
      retryAfterMs: 1_000,
    });
    abort.abort();
    await faultOf(first);
  });

  it('fails at once at a closed port', async () => {
    const stage = stages.stage('deepseek', { baseUrl: 'http://127.0.0.1:1' });
    expect(await faultOf(stage.handle(anExchange()))).toMatchObject({ code: 'upstream_error' });
    expect(stages.transport.calls).toBe(0);
  });
});
