import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ChatRequest, ExchangeReply } from '@tunan/contracts';
import { delta, USAGE } from '../testing/chunks.js';
import { aTarget, anExchange } from '../testing/exchanges.js';
import { events, json } from '../testing/scripted-provider.js';
import { faultOf, ScriptedStages } from '../testing/scripted-stage.js';

describe('a unary call', () => {
  let stages: ScriptedStages;

  beforeAll(async () => {
    stages = await ScriptedStages.open();
  });
  afterEach(() => stages.disconnect());
  afterAll(() => stages.close());

  const unary = (request: Partial<ChatRequest> = {}) => anExchange({ stream: false, request });
  const answer = (message: object, more: object = {}) => ({
    id: 'v',
    model: 'deepseek-flash',
    choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: 'stop' }],
    usage: USAGE,
    ...more,
  });
  const bodyOf = async (reply: Promise<ExchangeReply>) => {
    const settled = await reply;
    if (settled.kind !== 'unary') throw new Error('not unary');
    return { ...settled, json: JSON.parse(settled.body.toString()) as Record<string, unknown> };
  };

  it('answers in OpenAI form with usage last', async () => {
    stages.vendor.answers(
      json(200, `\n\n  ${JSON.stringify(answer({ content: 'Hello', reasoning_content: 'hm' }))}`),
    );
    const reply = await bodyOf(stages.stage().handle(unary()));
    expect(reply.body.toString()).toMatch(/"usage":\{[^]*\}\}$/);
    expect(reply.json).toMatchObject({
      id: 'chatcmpl-01890a5dac96774bbcceb302099a8057',
      object: 'chat.completion',
      model: 'deepseek-chat',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello', reasoning_content: 'hm' },
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 9,
        completion_tokens: 2,
        total_tokens: 11,
        prompt_tokens_details: { cached_tokens: 4 },
      },
    });
    expect(reply.usage).toEqual({ prompt: 9, cachedPrompt: 4, completion: 2, reasoning: 0 });
    expect(reply.outputTokens).toBeGreaterThan(0);
    expect(stages.vendor.calls[0]?.body).toMatchObject({ stream: false });
    expect(stages.vendor.calls[0]?.body).not.toHaveProperty('stream_options');
  });

  it('adds up the usage of several completions', async () => {
    stages.vendor.answers(json(200, answer({ content: 'x' })));
    const reply = await bodyOf(stages.stage().handle(unary({ n: 3 })));
    expect(stages.vendor.calls).toHaveLength(3);
    expect(reply.usage?.prompt).toBe(27);
    expect((reply.json['choices'] as { index: number }[]).map(({ index }) => index)).toEqual([0, 1, 2]);
  });

  it.each([
    ['whitespace only', json(200, '\n\n\n'), 'upstream_overloaded'],
    ['HTML', json(200, '<html>'), 'upstream_error'],
    ['no choices', json(200, { choices: [] }), 'upstream_error'],
    ['no authorization', json(401, 'Authentication Fails (governor)'), 'upstream_auth'],
  ] as const)('rejects %s', async (_name, script, code) => {
    stages.vendor.answers(script);
    expect(await faultOf(stages.stage().handle(unary()))).toMatchObject({ code });
  });

  // Guarantee: usage that can't be true reaches settlement as such, which clamps and flags it.
  it.each([
    [
      { prompt_tokens: -5, completion_tokens: 'many' },
      { prompt: 0, completion: 0 },
    ],
    [
      { prompt_tokens: 9, completion_tokens: 1e9 },
      { prompt: 9, completion: 1_000 },
    ],
    // No chunk crossed the ceiling: there is none.
    [
      { prompt_tokens: 9, completion_tokens: 1_001 },
      { prompt: 9, completion: 1_000 },
    ],
  ])('marks the impossible usage %j', async (usage, marked) => {
    stages.vendor.answers(json(200, answer({ content: 'Hello' }, { usage })));
    const reply = await bodyOf(stages.stage().handle(unary()));
    expect(reply.usage).toEqual({ ...marked, cachedPrompt: 0, reasoning: 0, impossible: true });
  });

  it('marks the usage of several completions if that of one is impossible', async () => {
    const far = { prompt_tokens: 9, completion_tokens: 2_000 };
    stages.vendor.answers(
      json(200, answer({ content: 'x' })),
      json(200, answer({ content: 'x' }, { usage: far })),
      json(200, answer({ content: 'x' })),
    );
    const reply = await bodyOf(stages.stage().handle(unary({ n: 3 })));
    expect(reply.usage).toEqual({
      prompt: 27,
      cachedPrompt: 8,
      completion: 1_004,
      reasoning: 0,
      impossible: true,
    });
  });

  describe('that may be long', () => {
    const long = (request: Partial<ChatRequest> = {}) =>
      anExchange({ stream: false, request, ceiling: 1_001, target: aTarget({ unstreamedTokensMax: 1_000 }) });

    // Guarantee: no answer is lost, or cut without a word, because it took a provider long to be whole.
    it('is streamed by the provider and put together', async () => {
      const token = (logprob: number) => ({ logprobs: { content: [{ token: 'x', logprob }] } });
      const said = (content: string, logprob: number) => {
        const chunk = delta({ content });
        return { ...chunk, choices: [{ ...chunk.choices[0], ...token(logprob) }] };
      };
      stages.vendor.answers(
        events(
          delta({ role: 'assistant', content: '', reasoning_content: 'hm' }),
          said('Hel', -1),
          said('lo', -2),
          delta({}, 'stop', { usage: USAGE }),
          'data: [DONE]\n\n',
        ),
      );
      const reply = await bodyOf(stages.stage().handle(long({ logprobs: true })));
      expect(stages.vendor.calls[0]?.body).toMatchObject({
        stream: true,
        stream_options: { include_usage: true },
        max_tokens: 1_001,
      });
      expect(reply.json).toMatchObject({
        object: 'chat.completion',
        choices: [
          {
            message: { role: 'assistant', content: 'Hello', reasoning_content: 'hm' },
            logprobs: { content: [{ logprob: -1 }, { logprob: -2 }], refusal: null },
            finish_reason: 'stop',
          },
        ],
      });
      expect(reply.usage).toEqual({ prompt: 9, cachedPrompt: 4, completion: 2, reasoning: 0 });
    });

    it('keeps the tool calls of the stream', async () => {
      const call = (members: object) => delta({ tool_calls: [{ index: 0, ...members }] });
      stages.vendor.answers(
        events(
          call({ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } }),
          call({ function: { arguments: '{"city":' } }),
          call({ function: { arguments: '"Wien"}' } }),
          delta({}, 'tool_calls', { usage: USAGE }),
        ),
      );
      const { json: body } = await bodyOf(stages.stage().handle(long()));
      expect(body['choices']).toMatchObject([
        {
          message: {
            tool_calls: [
              { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Wien"}' } },
            ],
          },
          finish_reason: 'tool_calls',
        },
      ]);
    });

    it('fails as a whole if its stream does', async () => {
      stages.vendor.answers(events(delta({ content: 'Hel' })));
      expect(await faultOf(stages.stage().handle(long()))).toMatchObject({ code: 'upstream_stream_cut' });
    });

    it('is not streamed up to the ceiling that the channel allows', async () => {
      stages.vendor.answers(json(200, answer({ content: 'Hello' })));
      await bodyOf(stages.stage().handle({ ...long(), ceiling: 1_000 }));
      expect(stages.vendor.calls[0]?.body).toMatchObject({ stream: false });
    });
  });

  it('rejects an answer that breaks off', async () => {
    stages.vendor.answers(async (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' });
      response.write('{"choices":[');
      await new Promise(setImmediate);
      response.destroy();
    });
    expect(await faultOf(stages.stage().handle(unary()))).toMatchObject({ code: 'upstream_stream_cut' });
  });

  // Guarantee: nothing of ours or the vendor's leaks into what a client reads.
  it('keeps keys, vendor names and vendor ids out of public messages', async () => {
    stages.vendor.answers(
      json(401, {
        error: {
          message: 'Authentication Fails, Your api key: ****3456 is invalid. request_id: abc',
          type: 'authentication_error',
        },
      }),
    );
    const fault = await faultOf(stages.stage().handle(unary()));
    expect(fault.publicMessage).not.toMatch(/key|3456|abc|deepseek/i);
    expect(fault.message).not.toMatch(/3456|sk-secret/);
  });

  it('obeys Retry-After', async () => {
    stages.vendor.answers(json(429, { error: { message: 'slow down' } }, { 'retry-after': '7' }));
    expect(await faultOf(stages.stage().handle(unary()))).toMatchObject({
      code: 'upstream_rate_limited',
      retryAfterMs: 7_000,
    });
  });
});
