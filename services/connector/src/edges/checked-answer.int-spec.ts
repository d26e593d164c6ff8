import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { delta, USAGE } from '../testing/chunks.js';
import { aTarget, anExchange } from '../testing/exchanges.js';
import { RecordingSink } from '../testing/recording-sink.js';
import { events, json, type Script } from '../testing/scripted-provider.js';
import { faultOf, ScriptedStages } from '../testing/scripted-stage.js';

const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };
const request = { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } };
const DONE = 'data: [DONE]\n\n';

const call = (text: string) => ({
  tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'answer', arguments: text } }],
});
const piece = (text: string) => ({ tool_calls: [{ index: 0, function: { arguments: text } }] });
const streamed = (...pieces: string[]): Script =>
  events(
    delta({ role: 'assistant', content: '' }),
    delta(call('')),
    ...pieces.map((text) => delta(piece(text))),
    delta({}, 'tool_calls', { usage: USAGE }),
    DONE,
  );
const whole = (text: string): Script =>
  json(200, {
    choices: [{ index: 0, message: { content: '', ...call(text) }, finish_reason: 'tool_calls' }],
    usage: USAGE,
  });

describe('an answer in the form that was asked for', () => {
  let stages: ScriptedStages;

  beforeAll(async () => {
    stages = await ScriptedStages.open();
  });
  afterEach(() => stages.disconnect());
  afterAll(() => stages.close());

  const unary = async (...scripts: Script[]) => {
    stages.vendor.answers(...scripts);
    const reply = await stages.stage().handle(anExchange({ stream: false, request }));
    if (reply.kind !== 'unary') throw new Error('not unary');
    return {
      reply,
      body: JSON.parse(reply.body.toString()) as { choices: { message: object; finish_reason: string }[] },
    };
  };

  it('is the arguments of a forced function, as content', async () => {
    const { reply, body } = await unary(whole('{"a":1}'));
    expect(body.choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: '{"a":1}', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ]);
    expect(reply.usage).toMatchObject({ prompt: 9, completion: 2 });
    expect(stages.vendor.calls[0]!.body['tool_choice']).toEqual({
      type: 'function',
      function: { name: 'answer' },
    });
  });

  it('is streamed in the pieces in which it came, as content', async () => {
    stages.vendor.answers(streamed('{"a"', ':1}'));
    const sink = await RecordingSink.drain(await stages.stage().handle(anExchange({ request })));
    expect(sink.chunks.map((chunk) => chunk.choices[0]!.delta)).toEqual([
      { role: 'assistant', content: '{"a"' },
      { content: ':1}' },
      {},
    ]);
    expect(sink.finishReasons).toEqual(['stop']);
    expect(sink.reported?.usage).toMatchObject({ prompt: 9, completion: 2 });
    expect(sink.ending).toBe('end');
  });

  // Guarantee: one invalid answer costs the client nothing and shows nowhere.
  it('is asked for again once, and only the good answer is reported', async () => {
    const { reply, body } = await unary(whole('{"a":"one"}'), whole('{"a":2}'));
    expect(body.choices[0]!.message).toMatchObject({ content: '{"a":2}' });
    expect(reply.usage).toMatchObject({ prompt: 9, completion: 2 });
    expect(stages.vendor.calls).toHaveLength(2);
    expect(JSON.stringify(stages.vendor.calls[1]!.body['messages'])).toContain('/a: Instance type');

    stages.vendor.answers(streamed('nothing'), streamed('{"a":2}'));
    const sink = await RecordingSink.drain(await stages.stage().handle(anExchange({ request })));
    expect(sink.content).toBe('{"a":2}');
    expect(sink.reported?.usage).toMatchObject({ prompt: 9, completion: 2 });
  });

  it.each([true, false])('fails with a second invalid answer, streamed: %s', async (stream) => {
    stages.vendor.answers(stream ? streamed('no') : whole('no'));
    const fault = await faultOf(stages.stage().handle(anExchange({ stream, request })));
    expect(fault.code).toBe('structured_output_failed');
    expect(stages.vendor.calls).toHaveLength(2);
  });

  it('that was cut off by its ceiling is shown as far as it came', async () => {
    stages.vendor.answers(events(delta(call('{"a"')), delta({}, 'length', { usage: USAGE }), DONE));
    const sink = await RecordingSink.drain(await stages.stage().handle(anExchange({ request })));
    expect([sink.content, sink.finishReasons]).toEqual(['{"a"', ['length']]);
  });

  it('that breaks before its end can still be had elsewhere', async () => {
    stages.vendor.answers(events(delta(call('{"a"')), DONE));
    const fault = await faultOf(stages.stage().handle(anExchange({ request })));
    expect(fault.code).toBe('upstream_stream_cut');
  });

  it('has its own tries for each completion', async () => {
    stages.vendor.answers(streamed('no'), streamed('{"a":1}'), streamed('{"a":2}'));
    const reply = await stages.stage().handle(anExchange({ request: { ...request, n: 2 } }));
    const sink = await RecordingSink.drain(reply);
    expect(stages.vendor.calls).toHaveLength(3);
    expect(sink.finishReasons).toEqual(['stop', 'stop']);
    expect(sink.reported?.usage).toMatchObject({ prompt: 18, completion: 4 });
  });

  it('without a forced function is JSON taken out of its code block', async () => {
    const text = (content: string) => ({ choices: [{ index: 0, delta: { content } }] });
    stages.vendor.answers(
      events(text('```json\n'), text('{"a":1}'), text('\n```'), {
        choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
        usage: USAGE,
      }),
    );
    const target = aTarget({ provider: 'minimax', upstreamModel: 'MiniMax-M3' });
    const sink = await RecordingSink.drain(
      await stages.stage('minimax').handle(anExchange({ request, target })),
    );
    expect(sink.content).toBe('{"a":1}');
  });

  const says = (content: string, stream: boolean): Script =>
    stream
      ? events(delta({ role: 'assistant', content }), delta({}, 'stop', { usage: USAGE }), DONE)
      : json(200, {
          choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
          usage: USAGE,
        });
  const answered = async (exchange: ReturnType<typeof anExchange>, provider: 'deepseek' | 'qwen') => {
    const reply = await stages.stage(provider).handle(exchange);
    if (reply.kind === 'unary') return reply.body.toString();
    return (await RecordingSink.drain(reply)).text;
  };

  // Guarantee: a provider's own JSON mode, which is known to answer with nothing, and its own forced functions are judged
  // as what the gateway does in its place.
  describe.each([false, true])('that the provider has itself, streamed %s', (stream) => {
    const jsonMode = { response_format: { type: 'json_object' } } as const;
    const tool = { type: 'function', function: { name: 'answer', parameters: { type: 'object' } } } as const;
    const named = { tools: [tool], tool_choice: { type: 'function', function: { name: 'answer' } } } as const;
    const target = aTarget({ provider: 'qwen', upstreamModel: 'qwen3.7-plus' });

    it('is asked for again if JSON mode wrote nothing', async () => {
      stages.vendor.answers(says('', stream), says('{"a":1}', stream));
      expect(await answered(anExchange({ stream, request: jsonMode }), 'deepseek')).toContain('{\\"a\\":1}');
      expect(stages.vendor.calls.map(({ body }) => body['response_format'])).toEqual([
        { type: 'json_object' },
        { type: 'json_object' },
      ]);
    });

    it('is asked for again if a text came instead of the named call', async () => {
      stages.vendor.answers(says('I would call it.', stream), stream ? streamed('{}') : whole('{}'));
      const text = await answered(anExchange({ stream, request: named, target }), 'qwen');
      expect(text).toContain('"name":"answer"');
      expect(text).not.toContain('I would');
      expect(stages.vendor.calls).toHaveLength(2);
    });

    it.each([
      ['nothing', '', jsonMode, 'deepseek'],
      ['text', 'No.', named, 'qwen'],
      ['text', 'No.', { ...named, tool_choice: 'required' }, 'deepseek'],
    ] as const)('fails with a second answer that is %s', async (_what, content, form, provider) => {
      stages.vendor.answers(says(content, stream));
      const exchange = anExchange({ stream, request: form, ...(provider === 'qwen' ? { target } : {}) });
      const fault = await faultOf(stages.stage(provider).handle(exchange));
      expect(fault.code).toBe('structured_output_failed');
      expect(stages.vendor.calls).toHaveLength(2);
    });
  });

  it('must call a function where one was asked for', async () => {
    const tool = { type: 'function', function: { name: 'f', parameters: { type: 'object' } } } as const;
    const forced = { tools: [tool], tool_choice: 'required' };
    const target = aTarget({ provider: 'glm', upstreamModel: 'glm-4-plus', thinking: null });
    const says = events(
      { choices: [{ index: 0, delta: { content: 'I would call f.' } }] },
      { choices: [{ index: 0, finish_reason: 'stop', delta: {} }], usage: USAGE },
      DONE,
    );
    const calls = events(
      {
        choices: [
          {
            index: 0,
            delta: {
              tool_calls: [{ id: 'c', index: 0, type: 'function', function: { name: 'f', arguments: '{}' } }],
            },
          },
        ],
      },
      { choices: [{ index: 0, finish_reason: 'tool_calls', delta: {} }], usage: USAGE },
      DONE,
    );
    stages.vendor.answers(says, calls);
    const sink = await RecordingSink.drain(
      await stages.stage('glm').handle(anExchange({ request: forced, target })),
    );
    expect(sink.finishReasons).toEqual(['tool_calls']);
    expect(sink.chunks[0]!.choices[0]!.delta.tool_calls).toMatchObject([
      { id: 'c', function: { name: 'f' } },
    ]);
    expect(sink.content).toBe('');
  });
});
