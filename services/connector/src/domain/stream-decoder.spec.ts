import { describe, expect, it } from '@jest/globals';
import type { ProviderId } from '@tunan/contracts';
import { ChunkEncoder } from '@tunan/llm';
import { DIALECTS } from '../providers/index.js';
import { eventText } from '../testing/scripted-provider.js';
import { STREAM_SAMPLES } from '../testing/stream-samples.js';
import { StreamDecoder } from './stream-decoder.js';

const IDENTITY = { id: 'chatcmpl-1', created: 1, model: 'public' };

/** Everything that one stream says, in the client's frames. */
const decode = (provider: ProviderId, pieces: readonly Buffer[], callsMax = 128) => {
  const encoder = new ChunkEncoder({ ...IDENTITY, includeUsage: false, choice: 0 });
  let frames = '';
  const calls = { callsMax, newId: (index: number) => `call_made_${index}` };
  const decoder = new StreamDecoder(DIALECTS[provider], calls, (delta) => (frames += encoder.delta(delta)));
  for (const piece of pieces) decoder.push(piece);
  decoder.end();
  const failed = decoder.progress === 'failed';
  return {
    frames: failed ? frames : frames + encoder.finish(decoder.finishReason),
    fault: failed ? decoder.fault.code : undefined,
    finishReason: failed ? undefined : decoder.finishReason,
    usage: decoder.usage,
    impossible: decoder.impossibleUsage,
  };
};

const deltasOf = (frames: string) =>
  frames
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map(
      (frame) =>
        (JSON.parse(frame.slice('data: '.length)) as { choices: { delta: Record<string, unknown> }[] })
          .choices[0]!.delta,
    );
const joined = (frames: string, member: string): string =>
  deltasOf(frames)
    .map((delta) => (typeof delta[member] === 'string' ? delta[member] : ''))
    .join('');
const decodeEvents = (provider: ProviderId, ...events: readonly (string | object)[]) =>
  decode(provider, [Buffer.from(eventText(...events))]);
const chunk = (delta: object, finish?: string | null, more: object = {}) => ({
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta, ...(finish === undefined ? {} : { finish_reason: finish }) }],
  ...more,
});

describe.each(STREAM_SAMPLES)('$name', ({ provider, text, expected }) => {
  const bytes = Buffer.from(text);
  const whole = decode(provider, [bytes]);

  it('says what the provider said', () => {
    expect(joined(whole.frames, 'content')).toBe(expected.content);
    expect(joined(whole.frames, 'reasoning_content')).toBe(expected.reasoning);
    expect(whole.finishReason).toBe(expected.finishReason);
    expect(whole.usage).toEqual(expected.usage);
    expect(deltasOf(whole.frames).flatMap((delta) => delta['tool_calls'] ?? [])).toEqual(expected.toolCalls);
  });

  // Guarantee: neither the frames nor the usage depend on line ends, or on where the network cuts the provider's bytes.
  it.each([
    ['LF', '\n'],
    ['CRLF', '\r\n'],
    ['CR', '\r'],
  ])('gives the same frames and usage wherever its bytes are cut, with %s', (_name, lineEnd) => {
    const written = Buffer.from(text.replaceAll('\n', lineEnd));
    for (let cut = 0; cut <= written.length; cut += 1)
      expect(decode(provider, [written.subarray(0, cut), written.subarray(cut)])).toEqual(whole);
  });

  it('gives the same frames and usage byte by byte', () => {
    expect(
      decode(
        provider,
        Array.from(bytes, (byte) => Buffer.of(byte)),
      ),
    ).toEqual(whole);
  });

  it('gives the role once and the finish reason once', () => {
    expect(whole.frames.match(/"role":/g)).toHaveLength(1);
    expect(whole.frames.match(/"finish_reason":"/g)).toHaveLength(1);
  });

  it('shows no member of the vendor', () => {
    const known = ['role', 'content', 'reasoning_content', 'refusal', 'tool_calls'];
    for (const delta of deltasOf(whole.frames))
      expect(known).toEqual(expect.arrayContaining(Object.keys(delta)));
    expect(whole.frames).not.toMatch(/MiniMax|deepseek|qwen|glm|fp_|audio_content|reasoning_details/);
  });
});

describe('StreamDecoder', () => {
  const usage = { prompt_tokens: 3, completion_tokens: 4 };
  const read = { prompt: 3, cachedPrompt: 0, completion: 4, reasoning: 0 };

  it.each([
    ['with the finish reason', [chunk({ content: 'a' }), chunk({}, 'stop', { usage })]],
    ['in a chunk of its own', [chunk({ content: 'a' }), chunk({}, 'stop'), { choices: [], usage }]],
    ['before the finish reason', [chunk({ content: 'a' }), { choices: [], usage }, chunk({}, 'stop')]],
    ['with null choices', [chunk({ content: 'a' }), chunk({}, 'stop'), { choices: null, usage }]],
    ['without choices', [chunk({ content: 'a' }), chunk({}, 'stop'), { usage }]],
    [
      'after a placeholder',
      [
        chunk({ content: 'a' }, null, { usage: { total_tokens: 0 } }),
        chunk({}, 'stop'),
        { choices: [], usage },
      ],
    ],
    [
      'after zeros',
      [
        chunk({ content: 'a' }),
        chunk({}, 'stop', { usage: { prompt_tokens: 0, completion_tokens: 0 } }),
        { usage },
      ],
    ],
  ])('reads usage %s', (_name, events) => {
    expect(decodeEvents('deepseek', ...events, 'data: [DONE]\n\n')).toMatchObject({
      usage: read,
      finishReason: 'stop',
    });
  });

  it('takes explicit zeros for a usage', () => {
    const zero = { prompt_tokens: 0, completion_tokens: 0 };
    expect(decodeEvents('deepseek', chunk({ content: 'a' }, 'stop', { usage: zero })).usage).toEqual({
      prompt: 0,
      cachedPrompt: 0,
      completion: 0,
      reasoning: 0,
    });
  });

  const negative = { prompt_tokens: -1, completion_tokens: 4 };
  const zeros = { prompt_tokens: 0, completion_tokens: 0 };
  const marked = { prompt: 0, cachedPrompt: 0, completion: 4, reasoning: 0, impossible: true };

  it.each([
    ['alone', [chunk({ content: 'a' }, 'stop', { usage: negative })]],
    ['after zeros', [chunk({ content: 'a' }, 'stop', { usage: zeros }), { usage: negative }]],
    ['before zeros', [chunk({ content: 'a' }, 'stop', { usage: negative }), { usage: zeros }]],
  ])('marks an impossible usage, %s', (_name, events) => {
    expect(decodeEvents('deepseek', ...events, 'data: [DONE]\n\n')).toMatchObject({
      usage: marked,
      impossible: negative,
      finishReason: 'stop',
    });
  });

  it.each([
    ['before', [chunk({ content: 'a' }, null, { usage: negative }), chunk({}, 'stop', { usage })]],
    ['after', [chunk({ content: 'a' }, null, { usage }), chunk({}, 'stop', { usage: negative })]],
  ])('takes figures that can be true instead of impossible ones %s them', (_name, events) => {
    const decoded = decodeEvents('deepseek', ...events, 'data: [DONE]\n\n');
    expect(decoded.usage).toEqual(read);
    expect(decoded.impossible).toBeUndefined();
  });

  it.each([
    ['', 'stop'],
    ['eos', 'stop'],
    ['function_call', 'tool_calls'],
  ])('reads the finish reason %j', (word, finishReason) => {
    expect(decodeEvents('deepseek', chunk({ content: 'a' }, word)).finishReason).toBe(finishReason);
  });

  it('says tool_calls where a provider says stop after calls', () => {
    const call = { id: 'c', index: 0, function: { name: 'f', arguments: '{}' } };
    expect(decodeEvents('deepseek', chunk({ tool_calls: [call] }), chunk({}, 'stop')).finishReason).toBe(
      'tool_calls',
    );
  });

  it.each([
    ['deepseek', 'insufficient_system_resource', 'upstream_overloaded'],
    ['deepseek', 'aborted', 'upstream_error'],
    ['glm', 'network_error', 'upstream_overloaded'],
  ] as const)('fails %s streams that end with %s', (provider, word, fault) => {
    expect(decodeEvents(provider, chunk({ content: 'a' }), chunk({}, word)).fault).toBe(fault);
  });

  it.each([
    ['glm', 'sensitive', 'content_filter'],
    ['glm', 'model_context_window_exceeded', 'length'],
    ['minimax', 'tool_call', 'tool_calls'],
  ] as const)('reads that %s says %s', (provider, word, finishReason) => {
    expect(decodeEvents(provider, chunk({ content: 'a' }), chunk({}, word)).finishReason).toBe(finishReason);
  });

  it.each([
    ['no finish reason', [chunk({ content: 'a' })]],
    ['[DONE] without a finish reason', [chunk({ content: 'a' }), 'data: [DONE]\n\n']],
    ['half an event', [chunk({ content: 'a' }), 'data: {"choices":[{"del']],
    ['an event that is no object', [chunk({ content: 'a' }), 'data: 5\n\n']],
  ])('fails a stream with %s', (_name, events) => {
    expect(decodeEvents('deepseek', ...events).fault).toBe('upstream_stream_cut');
  });

  // Guarantee: a filter that stops an answer is its honest end; one that stops the request refuses it.
  it('ends an answer that a filter stops, also at once, and refuses a request that it stops', () => {
    const filtered = (what: string) => ({
      error: {
        message: `${what} data may contain inappropriate content.`,
        type: 'data_inspection_failed',
        code: 'data_inspection_failed',
      },
    });
    expect(decodeEvents('qwen', chunk({ content: 'a' }), filtered('Output'))).toMatchObject({
      finishReason: 'content_filter',
      fault: undefined,
    });
    expect(decodeEvents('qwen', filtered('Output'))).toMatchObject({
      finishReason: 'content_filter',
      usage: { prompt: 0, completion: 0 },
    });
    expect(decodeEvents('qwen', filtered('Input')).fault).toBe('content_filter');
  });

  it('takes what MiniMax says of a filtered answer, in its three forms', () => {
    const failure = (code: number, usage: object) => ({
      id: '06098',
      choices: null,
      created: 1,
      model: '',
      object: 'chat.completion',
      usage,
      input_sensitive: false,
      output_sensitive: code === 1027,
      base_resp: { status_code: code, status_msg: 'new_sensitive' },
    });
    const zero = { total_tokens: 0, total_characters: 0, prompt_tokens: 0, completion_tokens: 0 };
    const billed = { total_tokens: 15, prompt_tokens: 12, completion_tokens: 3 };
    for (const [usage, prompt] of [
      [zero, 0],
      [{ total_tokens: 0, total_characters: 0 }, 0],
      [billed, 12],
    ] as const)
      expect(decodeEvents('minimax', failure(1027, usage))).toMatchObject({
        finishReason: 'content_filter',
        usage: { prompt },
      });
    expect(decodeEvents('minimax', failure(1026, zero)).fault).toBe('content_filter');
    // Zero in the frame of the failure is no figure for what came before it.
    expect(decodeEvents('minimax', chunk({ content: 'a' }), failure(1027, zero))).toMatchObject({
      finishReason: 'content_filter',
      usage: null,
    });
    const flagged = chunk({ content: '' }, 'stop', { output_sensitive: true, output_sensitive_type: 1 });
    expect(decodeEvents('minimax', chunk({ content: 'a' }), flagged).finishReason).toBe('content_filter');
    const clean = chunk({ content: '' }, 'stop', { output_sensitive: false });
    expect(decodeEvents('minimax', chunk({ content: 'a' }), clean).finishReason).toBe('stop');
  });

  it.each([
    [
      'an error event',
      'event: error\ndata: {"code":"InternalError","message":"x"}\n\n',
      'qwen',
      'upstream_error',
    ],
    [
      'base_resp',
      { choices: null, base_resp: { status_code: 1002, status_msg: 'rate limit' } },
      'minimax',
      'upstream_rate_limited',
    ],
    ['an error as text', { error: 'busy' }, 'deepseek', 'upstream_error'],
  ] as const)('fails a stream with %s', (_name, event, provider, fault) => {
    expect(decodeEvents(provider, event).fault).toBe(fault);
  });

  it('takes the text of a repeated whole answer only if there was none before', () => {
    const whole = {
      object: 'chat.completion',
      choices: [{ message: { content: 'all' }, finish_reason: 'stop' }],
      usage,
    };
    expect(
      joined(
        decodeEvents('minimax', chunk({ content: 'al' }), chunk({ content: 'l' }), whole).frames,
        'content',
      ),
    ).toBe('all');
    expect(joined(decodeEvents('minimax', whole).frames, 'content')).toBe('all');
  });

  it('passes log probabilities on without members of the vendor', () => {
    const frame = chunk({ content: 'a' });
    Object.assign(frame.choices[0]!, {
      logprobs: { content: [{ token: 'a', logprob: -1 }], reasoning_content: [] },
    });
    expect(decodeEvents('deepseek', frame, chunk({}, 'stop')).frames).toContain(
      '"logprobs":{"content":[{"token":"a","logprob":-1}],"refusal":null}',
    );
  });

  it('shows one tool call where parallel calls are forbidden', () => {
    const call = (index: number) => ({ id: `c${index}`, index, function: { name: 'f', arguments: '{}' } });
    const events = [
      chunk({ tool_calls: [call(0)] }),
      chunk({ tool_calls: [call(1)] }),
      chunk({}, 'tool_calls'),
    ];
    expect(decode('deepseek', [Buffer.from(eventText(...events))], 1).frames).not.toContain('c1');
  });

  it('reads nothing after the end', () => {
    const { frames } = decodeEvents(
      'deepseek',
      chunk({ content: 'a' }, 'stop', { usage }),
      chunk({ content: 'b' }),
    );
    expect(joined(frames, 'content')).toBe('a');
  });
});
