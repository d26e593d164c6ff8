import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { delta, USAGE } from '../testing/chunks.js';
import { aTarget, anExchange } from '../testing/exchanges.js';
import { RecordingSink, streamOf } from '../testing/recording-sink.js';
import { events, eventText, json } from '../testing/scripted-provider.js';
import { faultOf, ScriptedStages } from '../testing/scripted-stage.js';

describe('a streamed call', () => {
  let stages: ScriptedStages;

  beforeAll(async () => {
    stages = await ScriptedStages.open();
  });
  afterEach(() => stages.disconnect());
  afterAll(() => stages.close());

  it('sends the dialect and delivers content, finish reason, usage and end in that order', async () => {
    stages.vendor.answers(
      events(
        ': keep-alive\n\n',
        delta({ role: 'assistant', content: '' }),
        delta({ content: 'Hel' }),
        delta({ content: 'lo' }),
        delta({ content: '' }, 'stop', { usage: USAGE }),
        'data: [DONE]\n\n',
      ),
    );
    const reply = await stages.stage().handle(anExchange());
    expect(reply.served).toEqual({
      provider: 'deepseek',
      upstreamModel: 'deepseek-flash',
      channel: 'deepseek-chat.deepseek',
      attempts: 1,
      fallback: false,
    });
    const sink = await RecordingSink.drain(reply);
    expect(sink.ending).toBe('end');
    expect(sink.content).toBe('Hello');
    expect(sink.finishReasons).toEqual(['stop']);
    expect(sink.reported?.usage).toEqual({ prompt: 9, cachedPrompt: 4, completion: 2, reasoning: 0 });
    expect(sink.reported?.frame).toMatch(/"usage":\{.*\}\}\n\n$/);
    expect(new Set(sink.chunks.map(({ id, model }) => `${id} ${model}`))).toEqual(
      new Set(['chatcmpl-01890a5dac96774bbcceb302099a8057 deepseek-chat']),
    );
    expect(sink.text).not.toMatch(/fp_x|vendor-1|deepseek-flash/);
    const [call] = stages.vendor.calls;
    expect(call?.path).toBe('/base/chat/completions');
    expect(call?.headers).toMatchObject({
      authorization: 'Bearer sk-secret-key-123456',
      'accept-encoding': 'identity',
      'content-type': 'application/json',
    });
    expect(call?.body).toMatchObject({
      model: 'deepseek-flash',
      thinking: { type: 'disabled' },
      max_tokens: 1_000,
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  // Guarantee: the network may cut a stream anywhere; what a client gets does not depend on it.
  it('delivers the same answer when the bytes arrive one by one', async () => {
    const text = eventText(
      delta({ content: 'naïve 漢字 😀' }),
      delta({}, 'stop'),
      { choices: [], usage: USAGE },
      'data: [DONE]\n\n',
    );
    stages.vendor.answers(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const byte of Buffer.from(text)) {
        response.write(Buffer.of(byte));
        await new Promise(setImmediate);
      }
      response.end();
    });
    const sink = await RecordingSink.drain(await stages.stage().handle(anExchange()));
    expect(sink.content).toBe('naïve 漢字 😀');
    expect(sink.reported?.usage?.prompt).toBe(9);
  });

  it('uses its connection again after an answer', async () => {
    const ports: (number | undefined)[] = [];
    stages.vendor.answers((response) => {
      ports.push(response.req.socket.remotePort);
      response.end(
        eventText(delta({ content: 'a' }), delta({}, 'stop', { usage: USAGE }), 'data: [DONE]\n\n'),
      );
    });
    const stage = stages.stage();
    for (let turn = 0; turn < 3; turn += 1) {
      await RecordingSink.drain(await stage.handle(anExchange()));
      await stages.transport.idle(stages.clock, 1_000);
      // The client takes a connection back one turn of the event loop after its answer.
      await stages.clock.sleep(5);
    }
    expect(new Set(ports).size).toBe(1);
  });

  it('ends well at EOF after a finish reason, without [DONE] and without usage', async () => {
    stages.vendor.answers(events(delta({ content: 'ok' }), delta({}, 'length')));
    const sink = await RecordingSink.drain(await stages.stage().handle(anExchange()));
    expect(sink.ending).toBe('end');
    expect(sink.finishReasons).toEqual(['length']);
    expect(sink.reported?.usage).toBeNull();
  });

  // Guarantee: an SDK takes a clean end for success, so an answer without a finish reason must fail, [DONE] or not.
  it.each([[''], ['data: [DONE]\n\n']])('fails a stream that stops early, ending with %j', async (ending) => {
    let goOn: () => void = () => undefined;
    stages.vendor.answers(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(eventText(delta({ content: 'Hel' })));
      await new Promise<void>((resolve) => (goOn = resolve));
      response.end(ending);
    });
    const reply = await stages.stage().handle(anExchange());
    goOn();
    const sink = await RecordingSink.drain(reply);
    expect(sink.content).toBe('Hel');
    expect(sink.ending).toMatchObject({ code: 'upstream_stream_cut' });
  });

  it('fails a stream whose connection breaks', async () => {
    stages.vendor.answers(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(eventText(delta({ content: 'Hel' })));
      await new Promise(setImmediate);
      response.socket?.resetAndDestroy();
    });
    const sink = await RecordingSink.drain(await stages.stage().handle(anExchange()));
    expect(sink.ending).toMatchObject({ code: 'upstream_stream_cut' });
  });

  // Guarantee: once the provider said why it ended, an answer is whole; only its usage can still be lost.
  it('completes an answer whose connection breaks after the finish reason', async () => {
    stages.vendor.answers(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(eventText(delta({ content: 'Hello' }), delta({}, 'stop')));
      await new Promise(setImmediate);
      response.socket?.resetAndDestroy();
    });
    const sink = await RecordingSink.drain(await stages.stage().handle(anExchange()));
    expect(sink.ending).toBe('end');
    expect(sink.finishReasons).toEqual(['stop']);
    expect(sink.reported?.usage).toBeNull();
  });

  it('reads an answer whose usage is not even JSON', async () => {
    const broken = JSON.stringify(
      delta({ content: 'Hello' }, 'stop', { usage: { prompt_tokens: 0.25 } }),
    ).replace('0.25', 'NaN');
    stages.vendor.answers(events(`data: ${broken}\n\n`));
    const sink = await RecordingSink.drain(await stages.stage().handle(anExchange()));
    expect(sink.content).toBe('Hello');
    expect(sink.reported?.usage).toMatchObject({ prompt: 0, completion: 0, impossible: true });
  });

  // Guarantee: what fails before content is a rejection, so that the router can go elsewhere unnoticed.
  it.each([
    ['an empty stream', events(), 'upstream_stream_cut'],
    ['a stream of blanks', events('\n\n'), 'upstream_overloaded'],
    ['a stream without content', events(delta({ role: 'assistant', content: '' })), 'upstream_stream_cut'],
    [
      'an error event',
      events({ error: { message: 'boom', type: 'server_error', code: 'x' } }),
      'upstream_error',
    ],
    ['a failure as finish reason', events(delta({}, 'insufficient_system_resource')), 'upstream_overloaded'],
    [
      'content and failure at once',
      events(delta({ content: 'a' }), delta({}, 'insufficient_system_resource')),
      'upstream_overloaded',
    ],
    ['JSON instead of a stream', json(200, { error: { message: 'Insufficient Balance' } }), 'upstream_quota'],
    ['an HTML page', json(200, '<html>busy</html>', { 'content-type': 'text/html' }), 'upstream_error'],
    ['a broken event', events('data: {"choices":[\n\n'), 'upstream_stream_cut'],
  ] as const)('rejects %s', async (_name, script, code) => {
    stages.vendor.answers(script);
    expect(await faultOf(stages.stage().handle(anExchange()))).toMatchObject({ code });
  });

  it('takes a whole answer for a stream', async () => {
    stages.vendor.answers(
      json(200, {
        choices: [{ message: { role: 'assistant', content: 'All' }, finish_reason: 'stop' }],
        usage: USAGE,
      }),
    );
    const sink = await RecordingSink.drain(await stages.stage().handle(anExchange()));
    expect(sink.content).toBe('All');
    expect(sink.ending).toBe('end');
    expect(sink.reported?.usage?.completion).toBe(2);
  });

  it('gives a role to an answer that says nothing', async () => {
    stages.vendor.answers(
      events(delta({ role: 'assistant', content: '' }), delta({}, 'stop', { usage: USAGE })),
    );
    const sink = await RecordingSink.drain(await stages.stage().handle(anExchange()));
    expect(sink.chunks[0]?.choices[0]?.delta).toEqual({ role: 'assistant', content: '' });
    expect(sink.finishReasons).toEqual(['stop']);
  });

  it('pauses the provider while its receiver is full, and goes on', async () => {
    const text = 'x'.repeat(32 * 1024);
    let written = 0;
    stages.vendor.answers(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let chunk = 0; chunk < 400; chunk += 1) {
        written += 1;
        if (!response.write(eventText(delta({ content: text }))))
          await new Promise((resolve) => response.once('drain', resolve));
      }
      response.end(eventText(delta({}, 'stop', { usage: { prompt_tokens: 1, completion_tokens: 2 } })));
    });
    const sink = new RecordingSink();
    sink.flowing = false;
    const reply = await stages.stage().handle(anExchange({ ceiling: 100_000_000 }));
    streamOf(reply).start(sink);
    let before = -1;
    while (before !== written) {
      before = written;
      await stages.clock.sleep(100);
    }
    expect(written).toBeLessThan(400);
    sink.flowing = true;
    streamOf(reply).resume();
    await sink.ended;
    expect(sink.content.length).toBe(400 * text.length);
  });

  it('cuts a provider that does not obey the ceiling and says so', async () => {
    stages.vendor.answers(async (response, call) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const timer = setInterval(() => response.write(eventText(delta({ content: 'word '.repeat(50) }))), 1);
      await call.cut;
      clearInterval(timer);
    });
    const sink = await RecordingSink.drain(await stages.stage().handle(anExchange({ ceiling: 100 })));
    expect(sink.ending).toBe('end');
    expect(sink.finishReasons).toEqual(['length']);
    expect(sink.outputTokens).toBeLessThan(100 * 1.75 + 64 + 2 * 75);
    await stages.vendor.calls[0]?.cut;
  });

  it('completes without usage if none comes after the finish reason', async () => {
    stages.vendor.answers((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(eventText(delta({ content: 'ok' }), delta({}, 'stop')));
    });
    const startedMs = stages.clock.monotonicMs();
    const sink = await RecordingSink.drain(await stages.stage().handle(anExchange()));
    expect(sink.ending).toBe('end');
    expect(sink.reported?.usage).toBeNull();
    expect(stages.clock.monotonicMs() - startedMs).toBeGreaterThan(4_500);
    await stages.vendor.calls[0]?.cut;
  }, 10_000);

  it('runs several completions as calls of their own in one stream', async () => {
    stages.vendor.answers(
      events(delta({ content: 'a' }), delta({}, 'stop', { usage: USAGE })),
      events(delta({ content: 'b' }), delta({}, 'length', { usage: USAGE })),
    );
    const sink = await RecordingSink.drain(await stages.stage().handle(anExchange({ request: { n: 2 } })));
    expect(stages.vendor.calls.map((call) => call.body['n'])).toEqual([undefined, undefined]);
    expect(sink.finishReasons.toSorted()).toEqual(['length', 'stop']);
    expect(new Set(sink.chunks.map((chunk) => chunk.choices[0]?.index))).toEqual(new Set([0, 1]));
    expect(sink.reported?.usage).toEqual({ prompt: 18, cachedPrompt: 8, completion: 4, reasoning: 0 });
  });

  it('fails all completions if one fails before content', async () => {
    stages.vendor.answers(
      async (response, call) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(eventText(delta({ content: 'a' })));
        await call.cut;
      },
      json(503, { error: { message: 'busy' } }),
    );
    expect(await faultOf(stages.stage().handle(anExchange({ request: { n: 2 } })))).toMatchObject({
      code: 'upstream_overloaded',
    });
    await stages.vendor.calls[0]?.cut;
  });

  it('cuts at a stop sequence that the provider can not', async () => {
    stages.vendor.answers(
      events(delta({ content: 'one two EN' }), delta({ content: 'D three' }), delta({}, 'stop'), {
        choices: [],
        usage: USAGE,
      }),
    );
    const exchange = anExchange({ request: { stop: ['END'] }, target: aTarget({ provider: 'minimax' }) });
    const sink = await RecordingSink.drain(await stages.stage('minimax').handle(exchange));
    expect(sink.content).toBe('one two ');
    expect(sink.finishReasons).toEqual(['stop']);
    expect(stages.vendor.calls[0]?.body).not.toHaveProperty('stop');
  });
});
