import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSimulator, type RunningSimulator } from '../../testing/index.js';
import { call, sseChunks, sseEvents, type CallOptions } from '../../testing/http-client.js';

interface Delta {
  role?: string;
  content?: string | null;
  reasoning_content?: string | null;
  tool_calls?: {
    index: number;
    id?: string;
    type?: string;
    function: { name?: string; arguments: string };
  }[];
}
interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
  completion_tokens_details?: { reasoning_tokens: number };
  prompt_cache_hit_tokens: number;
  prompt_cache_miss_tokens: number;
}
interface Chunk {
  id: string;
  object: string;
  model: string;
  system_fingerprint: string;
  choices: { index: number; delta: Delta; finish_reason: string | null }[];
  usage: Usage | null;
}

const NO_THINKING = { thinking: { type: 'disabled' } };
const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { properties: { city: { type: 'string' } }, required: ['city'] },
  },
};
const user = (content: unknown) => [{ role: 'user', content }];

let simulator: RunningSimulator;
beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(() => simulator.stop());

const chat = (body: Record<string, unknown>, options?: CallOptions) =>
  call(
    `${simulator.baseUrls.deepseek}/chat/completions`,
    { model: 'deepseek-flash', messages: user('Hello'), ...body },
    options,
  );
const stream = async (body: Record<string, unknown>) => {
  const received = await chat({ stream: true, ...body });
  return { ...received, events: sseEvents(received.text), chunks: sseChunks<Chunk>(received.text) };
};
const message = async (body: Record<string, unknown>) => {
  const { status, text } = await chat(body);
  return {
    status,
    error: (JSON.parse(text) as { error: { message: string; type: string; param: null; code: string } })
      .error,
  };
};

describe('DeepSeek, JSON answers', () => {
  it('have the documented members; without thinking there are no details of it', async () => {
    const { status, headers, text } = await chat({ ...NO_THINKING, messages: user('[[sim tokens=9]]') });
    const body = JSON.parse(text) as Chunk & { choices: { message: Delta }[]; created: number };
    expect(status).toBe(200);
    expect(headers['x-ds-trace-id']).toBe(body.id);
    expect(body).toMatchObject({ object: 'chat.completion', model: 'deepseek-flash' });
    expect(body.choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: expect.any(String) },
        logprobs: null,
        finish_reason: 'stop',
      },
    ]);
    expect(body.usage).toMatchObject({ completion_tokens: 9, prompt_cache_hit_tokens: 0 });
    expect(body.usage).not.toHaveProperty('completion_tokens_details');
    expect(text.endsWith('}}')).toBe(true);
  });

  it('think by default, and count thinking and cache inside the totals', async () => {
    const { text } = await chat({
      messages: user('[[sim tokens=9 reasoning_tokens=4 prompt_tokens=2048 cached_tokens=64]]'),
    });
    const body = JSON.parse(text) as { choices: { message: Delta }[]; usage: Usage };
    expect(body.choices[0]!.message.reasoning_content).not.toBe('');
    expect(body.usage).toEqual({
      prompt_tokens: 2_048,
      completion_tokens: 13,
      total_tokens: 2_061,
      prompt_tokens_details: { cached_tokens: 64 },
      completion_tokens_details: { reasoning_tokens: 4 },
      prompt_cache_hit_tokens: 64,
      prompt_cache_miss_tokens: 1_984,
    });
  });

  it('are the same for the same question, ids apart', async () => {
    const contents = await Promise.all(
      [1, 2].map(async () => JSON.parse((await chat(NO_THINKING)).text) as Chunk),
    );
    expect(contents[0]!.choices).toEqual(contents[1]!.choices);
    expect(contents[0]!.id).not.toBe(contents[1]!.id);
  });

  it('end at max_tokens, thinking included, and ignore max_completion_tokens', async () => {
    const { text } = await chat({
      max_tokens: 10,
      max_completion_tokens: 2,
      messages: user('[[sim tokens=30 reasoning_tokens=8]]'),
    });
    expect(JSON.parse(text)).toMatchObject({
      choices: [{ finish_reason: 'length' }],
      usage: { completion_tokens: 10, completion_tokens_details: { reasoning_tokens: 8 } },
    });
  });
});

describe('DeepSeek, streams', () => {
  it('begin with a comment and one role, carry null for the other kind of text, and end with [DONE]', async () => {
    const { headers, events, chunks } = await stream({
      messages: user('[[sim tokens=3 reasoning_tokens=2]]'),
    });
    expect(headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(events[0]!.comment).toBe(': keep-alive');
    expect(events.at(-1)!.data).toBe('[DONE]');
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
    expect(deltas[0]).toEqual({ role: 'assistant', content: null, reasoning_content: '' });
    expect(deltas.filter(({ role }) => role !== undefined)).toHaveLength(1);
    expect(
      deltas.slice(1, 3).every((delta) => delta.content === null && delta.reasoning_content !== ''),
    ).toBe(true);
    expect(
      deltas.slice(3, 6).every((delta) => delta.reasoning_content === null && delta.content !== ''),
    ).toBe(true);
    expect(chunks.filter(({ choices }) => choices[0]?.finish_reason === 'stop')).toHaveLength(1);
  });

  it('without thinking begin with an empty content', async () => {
    const { chunks } = await stream({ ...NO_THINKING, messages: user('[[sim say="one two"]]') });
    const deltas = chunks.map(({ choices }) => choices[0]!.delta);
    expect(deltas[0]).toEqual({ role: 'assistant', content: '' });
    expect(deltas.map(({ content }) => content).join('')).toBe('one two');
    expect(deltas.every((delta) => !('reasoning_content' in delta))).toBe(true);
  });

  it('put usage on the finish chunk even if nobody asked', async () => {
    const { chunks } = await stream({ messages: user('Hi') });
    expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe('stop');
    expect(chunks.at(-1)!.usage!.total_tokens).toBeGreaterThan(0);
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  // Both places were measured on the real API within one year.
  it('put usage, if it was asked for, there or into a chunk of its own, depending on the seed', async () => {
    const own = await stream({
      stream_options: { include_usage: true },
      messages: user('[[sim usage_at=chunk]]'),
    });
    expect(own.chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: expect.any(Number) } });
    expect(own.chunks.at(-2)).toMatchObject({ choices: [{ finish_reason: 'stop' }], usage: null });
    const places = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const { chunks } = await stream({
          stream_options: { include_usage: true },
          messages: user(`Question ${i}`),
        });
        return chunks.at(-1)!.choices.length;
      }),
    );
    expect(new Set(places)).toEqual(new Set([0, 1]));
  });

  it('stream tool calls: id, type and name once per index, then fragments that join to JSON', async () => {
    const { chunks } = await stream({
      ...NO_THINKING,
      tools: [WEATHER],
      messages: user('weather [[sim tool_calls=2]]'),
    });
    const calls = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
    for (const index of [0, 1]) {
      const [first, ...rest] = calls.filter((piece) => piece.index === index);
      expect(first).toMatchObject({
        id: expect.stringMatching(/^call_0\d_/),
        type: 'function',
        function: { name: 'get_weather' },
      });
      expect(rest.every((piece) => piece.id === undefined && piece.function.name === undefined)).toBe(true);
      expect(JSON.parse(rest.map((piece) => piece.function.arguments).join(''))).toEqual({
        city: expect.any(String),
      });
    }
    expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe('tool_calls');
  });

  it('fail midway only by a finish reason', async () => {
    const { events, chunks } = await stream({ messages: user('[[sim fault=stream_error:3]]') });
    expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe('insufficient_system_resource');
    expect(chunks.at(-1)!.usage!.completion_tokens).toBe(3);
    expect(events.at(-1)!.data).toBe('[DONE]');
  });
});

describe('DeepSeek, refusals', () => {
  it('answer a missing key in plain text and a bad key in the envelope', async () => {
    const missing = await chat({}, { key: null });
    expect([missing.status, missing.text]).toEqual([401, 'Authentication Fails (governor)']);
    const bad = await chat({}, { key: 'bad' });
    expect([bad.status, JSON.parse(bad.text)]).toEqual([
      401,
      {
        error: {
          message: 'Authentication Fails, Your api key: ****bad is invalid',
          type: 'authentication_error',
          param: null,
          code: 'invalid_request_error',
        },
      },
    ]);
    expect(bad.headers['x-ds-trace-id']).toBeDefined();
  });

  it.each([
    [{ model: 'deepseek-chat' }, 400, /Model Not Exist/],
    [{ model: 'deepseek-reasoner' }, 400, /Model Not Exist/],
    [{ max_tokens: 0 }, 400, /valid range of max_tokens is \[1, 393216\]/],
    [{ temperature: 2.1 }, 400, /temperature/],
    [{ messages: [] }, 400, /messages/],
    [{ messages: [{ role: 'developer', content: 'x' }] }, 400, /unknown variant `developer`/],
    [{ messages: [{ role: 'assistant', content: null }] }, 400, /content or tool_calls must be set/],
    [{ response_format: { type: 'json_schema' } }, 400, /response_format type is unavailable/],
    [{ response_format: { type: 'json_object' } }, 400, /the word 'json'/],
    [{ tools: [{ type: 'retrieval' }] }, 400, /unknown variant `retrieval`, expected `function`/],
    [{ tools: [WEATHER], tool_choice: 'required' }, 400, /Thinking mode does not support this tool_choice/],
    [{ stream_options: { include_usage: true } }, 400, /stream_options/],
    [{ stop: Array(17).fill('x') }, 400, /stop/],
    [
      { model: 'deepseek-v4-pro', messages: user([{ type: 'image_url', image_url: { url: 'data:' } }]) },
      400,
      /image_url/,
    ],
  ])('refuse %j', async (body, status, text) => {
    const refused = await message(body);
    expect(refused.status).toBe(status);
    expect(refused.error).toMatchObject({
      message: expect.stringMatching(text),
      code: 'invalid_request_error',
      param: null,
    });
  });

  it('demand the thinking of earlier turns that called tools, even if it is blank', async () => {
    const turns = (extra: Record<string, unknown>) => [
      ...user('weather?'),
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c', type: 'function', function: { name: 'get_weather', arguments: '{}' } }],
        ...extra,
      },
      { role: 'tool', tool_call_id: 'c', content: 'sunny' },
    ];
    expect((await message({ messages: turns({}) })).error.message).toMatch(
      /reasoning_content in the thinking mode/,
    );
    expect((await chat({ messages: turns({ reasoning_content: ' ' }) })).status).toBe(200);
    expect((await chat({ messages: turns({}), ...NO_THINKING })).status).toBe(200);
  });

  it.each([
    ['402', 402, 'unknown_error', 'Insufficient Balance'],
    ['429', 429, 'rate_limit_error', 'Concurrency'],
    ['503', 503, 'service_unavailable_error', 'busy'],
    ['content_risk', 400, 'invalid_request_error', 'Content Exists Risk'],
  ])('play the error %s', async (code, status, type, text) => {
    const played = await message({ messages: user(`[[sim fault=error:${code}]]`) });
    expect(played).toEqual({
      status,
      error: { message: expect.stringContaining(text), type, param: null, code: 'invalid_request_error' },
    });
  });
});

describe('DeepSeek, lists', () => {
  it('name two models and the balance, amounts as text', async () => {
    const models = await call(`${simulator.url}/deepseek/models`, undefined);
    expect(JSON.parse(models.text)).toEqual({
      object: 'list',
      data: ['deepseek-flash', 'deepseek-v4-pro'].map((id) => ({
        id,
        object: 'model',
        owned_by: 'deepseek',
      })),
    });
    const balance = JSON.parse((await call(`${simulator.url}/deepseek/user/balance`, undefined)).text) as {
      balance_infos: { total_balance: unknown }[];
    };
    expect(balance.balance_infos[0]!.total_balance).toBe('110.00');
  });

  it('answer the path with /v1 as well, and no other', async () => {
    const body = { model: 'deepseek-v4-flash', messages: user('Hi') };
    const prefixed = await call(`${simulator.url}/deepseek/v1/chat/completions`, body);
    expect(JSON.parse(prefixed.text)).toMatchObject({ model: 'deepseek-flash' });
    expect((await call(`${simulator.url}/deepseek/embeddings`, body)).status).toBe(404);
  });
});
