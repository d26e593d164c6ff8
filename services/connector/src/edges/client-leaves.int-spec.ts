import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Exchange } from '@tunan/contracts';
import { delta, USAGE } from '../testing/chunks.js';
import { aTarget, anExchange } from '../testing/exchanges.js';
import { RecordingSink, streamOf } from '../testing/recording-sink.js';
import { events, eventText, json, type Script } from '../testing/scripted-provider.js';
import { faultOf, ScriptedStages } from '../testing/scripted-stage.js';

describe('when the client leaves', () => {
  let stages: ScriptedStages;

  beforeAll(async () => {
    stages = await ScriptedStages.open();
  });
  afterEach(() => stages.disconnect());
  afterAll(() => stages.close());

  const leaving = (over: Partial<Exchange> = {}) => {
    const abort = new AbortController();
    return { abort, exchange: anExchange({ signal: abort.signal, ...over }) };
  };

  it('cancels a stream at once', async () => {
    stages.vendor.answers((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(eventText(delta({ content: 'Hel' })));
    });
    const { abort, exchange } = leaving();
    const reply = await stages.stage().handle(exchange);
    const sink = new RecordingSink();
    streamOf(reply).start(sink);
    abort.abort();
    expect(await sink.ended).toMatchObject({ code: 'client_closed' });
    expect(sink.reported).toBeUndefined();
    await stages.vendor.calls[0]?.cut;
  });

  // Guarantee: where cancelling does not stop the provider's bill, what it reports is what is charged.
  it('reads a stream on to its usage where the provider bills all the same', async () => {
    let goOn: () => void = () => undefined;
    stages.vendor.answers(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(eventText(delta({ content: 'Hel' })));
      await new Promise<void>((resolve) => (goOn = resolve));
      response.end(
        eventText(
          delta({ content: 'lo' }),
          delta({}, 'stop'),
          { choices: [], usage: USAGE },
          'data: [DONE]\n\n',
        ),
      );
    });
    const { abort, exchange } = leaving({ target: aTarget({ billsAfterCancel: true }) });
    const sink = new RecordingSink();
    streamOf(await stages.stage().handle(exchange)).start(sink);
    abort.abort();
    goOn();
    expect(await sink.ended).toMatchObject({ code: 'client_closed' });
    expect(sink.content).toBe('Hel');
    expect(sink.reported?.usage?.completion).toBe(2);
  });

  it('still completes an answer whose finish reason has come', async () => {
    let goOn: () => void = () => undefined;
    stages.vendor.answers(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(eventText(delta({ content: 'Hello' }), delta({}, 'stop')));
      await new Promise<void>((resolve) => (goOn = resolve));
      response.end(eventText({ choices: [], usage: USAGE }));
    });
    const { abort, exchange } = leaving();
    const sink = new RecordingSink();
    streamOf(await stages.stage().handle(exchange)).start(sink);
    abort.abort();
    goOn();
    expect(await sink.ended).toBe('end');
    expect(sink.reported?.usage?.completion).toBe(2);
  });

  // Guarantee: a provider that has been asked charges for the prompt, so it must be known which one it was.
  it.each([1, 2])('says who was asked, also before content (completions: %s)', async (n) => {
    stages.vendor.answers(() => undefined);
    const { abort, exchange } = leaving();
    const reply = stages.stage().handle({ ...exchange, body: { ...exchange.body, n } as Exchange['body'] });
    while (stages.vendor.calls.length < n) await stages.clock.sleep(5);
    abort.abort();
    const sink = new RecordingSink();
    streamOf(await reply).start(sink);
    expect(await sink.ended).toMatchObject({ code: 'client_closed' });
    expect(sink.reported).toBeUndefined();
    await Promise.all(stages.vendor.calls.map(({ cut }) => cut));
  });

  // Guarantee: an answer that is kept until it is judged is charged like any other when its client leaves.
  it.each([true, false])('says who was asked for an answer to be judged (drained: %s)', async (drained) => {
    let goOn: () => void = () => undefined;
    stages.vendor.answers(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(eventText(delta({ content: '{"a"' })));
      await new Promise<void>((resolve) => (goOn = resolve));
      response.end(eventText(delta({ content: ':1}' }), delta({}, 'stop'), { choices: [], usage: USAGE }));
    });
    const schema = { type: 'object', properties: { a: { type: 'integer' } } };
    const request = { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } };
    const { abort, exchange } = leaving({ target: aTarget({ billsAfterCancel: drained }) });
    const reply = stages
      .stage()
      .handle({ ...exchange, body: { ...exchange.body, ...request } as Exchange['body'] });
    while (stages.vendor.calls.length === 0) await stages.clock.sleep(5);
    abort.abort();
    goOn();
    const sink = new RecordingSink();
    streamOf(await reply).start(sink);
    expect(await sink.ended).toMatchObject({ code: 'client_closed' });
    expect(sink.reported?.usage?.completion).toBe(drained ? 2 : undefined);
  });

  // Guarantee: what a provider refused or broke off before any content is not charged, whether its client waits or left.
  it.each<[string, Script, string]>([
    ['refuses for its limits', json(429, { error: { message: 'slow down' } }), 'upstream_rate_limited'],
    ['fails', json(500, {}), 'upstream_error'],
    ['answers with nothing', json(200, ''), 'upstream_stream_cut'],
    ['answers with blanks', json(200, '\n\n'), 'upstream_overloaded'],
    ['sends an error as its first event', events({ error: { message: 'boom' } }), 'upstream_error'],
    ['breaks off before content', events(delta({ role: 'assistant' })), 'upstream_stream_cut'],
    ['drops the connection', (response) => void response.destroy(), 'upstream_error'],
  ])('says that nobody served it where the provider %s', async (_name, script, code) => {
    let goOn: () => void = () => undefined;
    stages.vendor.answers(async (response, call) => {
      await new Promise<void>((resolve) => (goOn = resolve));
      await script(response, call);
    });
    const { abort, exchange } = leaving({ target: aTarget({ billsAfterCancel: true }) });
    const reply = faultOf(stages.stage().handle(exchange));
    while (stages.vendor.calls.length === 0) await stages.clock.sleep(5);
    abort.abort();
    goOn();
    expect(await reply).toMatchObject({ code });
  });

  it('says who served an answer that is whole without content', async () => {
    let goOn: () => void = () => undefined;
    stages.vendor.answers(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      await new Promise<void>((resolve) => (goOn = resolve));
      response.write(eventText(delta({}, 'stop')), () => response.destroy());
    });
    const { abort, exchange } = leaving({ target: aTarget({ billsAfterCancel: true }) });
    const reply = stages.stage().handle(exchange);
    while (stages.vendor.calls.length === 0) await stages.clock.sleep(5);
    abort.abort();
    goOn();
    const sink = await RecordingSink.drain(await reply);
    expect(sink.ending).toMatchObject({ code: 'client_closed' });
  });

  it('rejects a unary call, whose answer nobody can have any more', async () => {
    stages.vendor.answers(() => undefined);
    const { abort, exchange } = leaving({ stream: false });
    const reply = stages.stage().handle(exchange);
    while (stages.vendor.calls.length === 0) await stages.clock.sleep(5);
    abort.abort();
    expect(await faultOf(reply)).toMatchObject({ code: 'client_closed' });
    await stages.vendor.calls[0]?.cut;
  });

  it('sends nothing for a client that has left already', async () => {
    stages.vendor.answers(json(200, {}));
    const { abort, exchange } = leaving();
    abort.abort();
    expect(await faultOf(stages.stage().handle(exchange))).toMatchObject({ code: 'client_closed' });
    expect(stages.vendor.calls).toHaveLength(0);
  });
});
