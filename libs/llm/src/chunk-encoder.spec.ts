import { describe, expect, it } from '@jest/globals';
import type { ChatDelta } from './chat.js';
import { ChunkEncoder, type ChunkEncoderOptions } from './chunk-encoder.js';

const IDENTITY = { id: 'chatcmpl-1', created: 1_700_000_000, model: 'deepseek-chat' };
const USAGE = { prompt: 10, cachedPrompt: 4, completion: 5, reasoning: 2 };

const encoder = (over: Partial<ChunkEncoderOptions> = {}) =>
  new ChunkEncoder({ ...IDENTITY, includeUsage: false, choice: 0, ...over });
const says = (over: Partial<ChatDelta>): ChatDelta => ({
  content: '',
  reasoning: '',
  refusal: '',
  toolCalls: [],
  logprobs: null,
  ...over,
});
const parse = (frame: string) => {
  expect(frame).toMatch(/^data: \{[^\n]*\}\n\n$/);
  return JSON.parse(frame.slice('data: '.length)) as unknown;
};
const chunk = (delta: object, more: object = {}) => ({
  ...IDENTITY,
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta, finish_reason: null, ...more }],
});

describe('ChunkEncoder', () => {
  it('gives the role with the first delta and never again', () => {
    const stream = encoder();
    expect(parse(stream.delta(says({ content: 'Hel' })))).toEqual(
      chunk({ role: 'assistant', content: 'Hel' }),
    );
    expect(parse(stream.delta(says({ content: 'lo' })))).toEqual(chunk({ content: 'lo' }));
    expect(parse(stream.finish('stop'))).toEqual(chunk({}, { finish_reason: 'stop' }));
  });

  it('streams a call as function_call to a client that offered functions', () => {
    const stream = encoder({ functionCall: true });
    const piece = (text: string, more: object = {}) =>
      parse(stream.delta(says({ toolCalls: [{ index: 0, arguments: text, ...more }] })));
    expect(piece('', { id: 'c', name: 'f' })).toEqual(
      chunk({ role: 'assistant', content: null, function_call: { name: 'f', arguments: '' } }),
    );
    expect(piece('{"a"')).toEqual(chunk({ function_call: { arguments: '{"a"' } }));
    const both = [
      { index: 0, arguments: ':1' },
      { index: 1, id: 'd', name: 'g', arguments: '{}' },
      { index: 0, arguments: '}' },
    ];
    expect(parse(stream.delta(says({ toolCalls: both })))).toEqual(
      chunk({ function_call: { arguments: ':1}' } }),
    );
    expect(parse(stream.finish('tool_calls'))).toEqual(chunk({}, { finish_reason: 'function_call' }));
    expect(parse(encoder({ functionCall: true }).finish('stop').split('\n\n')[1] + '\n\n')).toEqual(
      chunk({}, { finish_reason: 'stop' }),
    );
  });

  it('gives an answer that says nothing a role of its own', () => {
    const frames = encoder().finish('length').split('\n\n').slice(0, -1);
    expect(frames.map((frame) => parse(`${frame}\n\n`))).toEqual([
      chunk({ role: 'assistant', content: '' }),
      chunk({}, { finish_reason: 'length' }),
    ]);
  });

  // Guarantee: a text can't break out of its frame, whatever is in it.
  it.each(['"}\n\ndata: [DONE]\n\n', 'data: [DONE]', '\\', '\u0000', '\ud800', '\u2028', '漢字 😀'])(
    'keeps %j inside its frame',
    (text) => {
      const stream = encoder();
      stream.delta(says({ content: 'x' }));
      const frame = stream.delta(says({ content: text }));
      expect(frame.indexOf('\n')).toBe(frame.length - 2);
      expect(parse(frame)).toEqual(chunk({ content: text }));
    },
  );

  it('writes reasoning, refusals, tool calls and log probabilities', () => {
    const stream = encoder();
    const probabilities = { content: [{ token: 'a', logprob: -1 }], refusal: null };
    expect(parse(stream.delta(says({ reasoning: 'hm' })))).toEqual(
      chunk({ role: 'assistant', content: null, reasoning_content: 'hm' }),
    );
    expect(parse(stream.delta(says({ refusal: 'no' })))).toEqual(chunk({ refusal: 'no' }));
    expect(parse(stream.delta(says({ content: 'a', logprobs: probabilities })))).toEqual(
      chunk({ content: 'a' }, { logprobs: probabilities }),
    );
    expect(
      parse(stream.delta(says({ toolCalls: [{ index: 0, id: 'c1', name: 'f', arguments: '' }] }))),
    ).toEqual(
      chunk({
        tool_calls: [{ index: 0, id: 'c1', type: 'function', function: { name: 'f', arguments: '' } }],
      }),
    );
    expect(parse(stream.delta(says({ content: 'a', toolCalls: [{ index: 0, arguments: '{"a"' }] })))).toEqual(
      chunk({ content: 'a', tool_calls: [{ index: 0, function: { arguments: '{"a"' } }] }),
    );
  });

  it('says `usage: null` in every chunk but the usage chunk if the client asked for usage', () => {
    const stream = encoder({ includeUsage: true });
    for (const frame of [
      stream.delta(says({ content: 'a' })),
      stream.delta(says({ content: 'b' })),
      stream.finish('stop'),
    ])
      expect(parse(frame)).toHaveProperty('usage', null);
    expect(parse(encoder().delta(says({ content: 'a' })))).not.toHaveProperty('usage');
  });

  // Guarantee: the ingress can splice the cost in before the last two braces.
  it('ends the usage chunk with the usage', () => {
    const frame = encoder().usage(USAGE);
    expect(frame).toMatch(/"choices":\[\],"usage":\{[^]*\}\}\n\n$/);
    expect(parse(frame)).toEqual({
      ...IDENTITY,
      object: 'chat.completion.chunk',
      choices: [],
      usage: {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 15,
        prompt_tokens_details: { cached_tokens: 4 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
    });
  });

  it('writes the index of its completion', () => {
    expect(parse(encoder({ choice: 3 }).delta(says({ content: 'a' })))).toMatchObject({
      choices: [{ index: 3 }],
    });
  });
});
