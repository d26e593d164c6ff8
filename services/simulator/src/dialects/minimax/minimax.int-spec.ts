import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSimulator, type RunningSimulator } from '../../testing/index.js';
import { call, sseChunks, sseEvents } from '../../testing/http-client.js';

interface Delta {
  role: string;
  name: string;
  content?: string;
  reasoning_content?: string;
  reasoning_details?: { text: string }[];
  tool_calls?: {
    id?: string;
    type?: string;
    index: number;
    function: { name?: string; arguments: string };
  }[];
}
interface Chunk {
  object: string;
  choices: { delta: Delta; message: Delta; finish_reason?: string }[] | null;
  usage: Record<string, unknown> | null;
  base_resp?: { status_code: number };
}

const SPLIT = { reasoning_split: true };
const USAGE = { stream_options: { include_usage: true } };
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

const chat = (body: Record<string, unknown>, key?: string | null) =>
  call(
    `${simulator.baseUrls.minimax}/chat/completions`,
    { model: 'MiniMax-M3', messages: user('Hello'), ...body },
    key === undefined ? {} : { key },
  );
const stream = async (body: Record<string, unknown>) => {
  const { text } = await chat({ stream: true, ...SPLIT, ...body });
  return { text, events: sseEvents(text), chunks: sseChunks<Chunk>(text) };
};
const deltas = (chunks: readonly Chunk[]): readonly Delta[] =>
  chunks.flatMap(({ choices }) =>
    (choices ?? []).flatMap(({ delta }) => (delta === undefined ? [] : [delta])),
  );
const textOf = (chunks: readonly Chunk[]): string =>
  deltas(chunks)
    .map(({ content }) => content ?? '')
    .join('');

describe('MiniMax, JSON answers', () => {
  it('have the documented members and a base_resp', async () => {
    const { text } = await chat({ ...SPLIT, messages: user('[[sim tokens=4 reasoning_tokens=3]]') });
    const body = JSON.parse(text) as Chunk;
    expect(body).toMatchObject({
      object: 'chat.completion',
      choices: [
        {
          finish_reason: 'stop',
          message: {
            role: 'assistant',
            name: 'MiniMax AI',
            audio_content: '',
            reasoning_content: expect.any(String),
          },
        },
      ],
      usage: {
        completion_tokens: 7,
        total_characters: 0,
        completion_tokens_details: { reasoning_tokens: 3 },
      },
      input_sensitive: false,
      base_resp: { status_code: 0, status_msg: '' },
    });
    expect(body.choices![0]!.message.reasoning_details![0]!.text).toBe(
      body.choices![0]!.message.reasoning_content,
    );
  });

  it('put thinking into tags of the content unless reasoning_split is sent', async () => {
    const { text } = await chat({ messages: user('[[sim say=answer]]') });
    const { message } = (JSON.parse(text) as Chunk).choices![0]!;
    expect(message.content).toMatch(/^<think>\n[^<]+\n<\/think>\n\nanswer$/);
    expect(message).not.toHaveProperty('reasoning_content');
  });

  it('let only M3 switch thinking off', async () => {
    const off = { ...SPLIT, thinking: { type: 'disabled' } };
    expect((await chat(off)).text).not.toContain('reasoning_content');
    expect((await chat({ ...off, model: 'MiniMax-M2.7' })).text).toContain('reasoning_content');
  });

  it('tolerate stop, tool_choice and response_format without effect', async () => {
    const { status, text } = await chat({
      ...SPLIT,
      stop: ['two'],
      tools: [WEATHER],
      tool_choice: 'required',
      response_format: { type: 'json_object' },
      messages: user('[[sim say="one two"]]'),
    });
    expect(status).toBe(200);
    expect((JSON.parse(text) as Chunk).choices![0]!.message.content).toBe('one two');
  });
});

describe('MiniMax, streams', () => {
  it('end with a usage chunk if it was asked for, without [DONE]', async () => {
    const { events, chunks, text } = await stream({ ...USAGE, messages: user('[[sim say="a b c"]]') });
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { total_tokens: expect.any(Number) },
      base_resp: { status_code: 0 },
    });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(events.at(-1)!.data).not.toBe('[DONE]');
    expect(text).not.toContain('[DONE]');
    expect(textOf(chunks)).toBe('a b c');
  });

  it('carry text on the finish chunk', async () => {
    const { chunks } = await stream({ ...USAGE, messages: user('[[sim say="a b c"]]') });
    expect(chunks.at(-2)).toMatchObject({ choices: [{ finish_reason: 'stop', delta: { content: ' c' } }] });
  });

  it('without include_usage repeat the whole text in a last frame that has the only usage', async () => {
    const { chunks } = await stream({ messages: user('[[sim say="a b c"]]') });
    expect(chunks.at(-1)).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { content: 'a b c' } }],
      usage: { completion_tokens: expect.any(Number) },
    });
    expect(chunks.slice(0, -1).every(({ usage }) => usage!['total_tokens'] === 0)).toBe(true);
    expect(textOf(chunks)).toBe('a b c');
  });

  it('name a role on every delta, which M2.5 leaves empty', async () => {
    const m3 = deltas((await stream({})).chunks).map(({ role }) => role);
    expect(new Set(m3)).toEqual(new Set(['assistant']));
    const [first, ...rest] = deltas((await stream({ model: 'MiniMax-M2.5' })).chunks).map(({ role }) => role);
    expect([first, new Set(rest)]).toEqual(['assistant', new Set([''])]);
  });

  it('split the tags of thinking over chunks', async () => {
    const { chunks } = await stream({
      reasoning_split: false,
      messages: user('[[sim say=answer reasoning_tokens=2]]'),
    });
    expect(
      deltas(chunks)
        .slice(0, 2)
        .map(({ content }) => content),
    ).toEqual(['<thi', 'nk>\n']);
    expect(textOf(chunks)).toMatch(/^<think>\n.+\n<\/think>\n\nanswer$/);
  });

  it('leave id and name off later pieces of a tool call; M2.7 repeats the index', async () => {
    const ask = { tools: [WEATHER], messages: user('weather? [[sim tool_calls=2]]') };
    for (const [model, indexes] of [
      ['MiniMax-M3', [0, 1]],
      ['MiniMax-M2.7', [0, 0]],
    ] as const) {
      const calls = deltas((await stream({ ...ask, model })).chunks).flatMap(
        (delta) => delta.tool_calls ?? [],
      );
      const opening = calls.filter(({ id }) => id !== undefined);
      expect(opening.map(({ index }) => index)).toEqual(indexes);
      expect(opening.map(({ id }) => id!.slice(-2))).toEqual(['_1', '_2']);
      expect(
        calls.filter(({ id }) => id === undefined).every((piece) => piece.function.name === undefined),
      ).toBe(true);
    }
  });

  it('fail midway by a chunk without choices', async () => {
    const { chunks } = await stream({ messages: user('[[sim fault=stream_error:2:1027]]') });
    expect(chunks.at(-1)).toMatchObject({
      choices: null,
      base_resp: { status_code: 1027, status_msg: 'output new_sensitive' },
    });
  });
});

describe('MiniMax, refusals', () => {
  it.each([
    [null, 1004],
    ['bad', 2049],
  ])('refuse the key %s with %i in the text', async (key, code) => {
    const { status, text } = await chat({}, key);
    expect(status).toBe(401);
    expect(JSON.parse(text)).toEqual({
      type: 'error',
      error: { type: 'authorized_error', message: expect.stringContaining(`(${code})`), http_code: '401' },
      request_id: expect.any(String),
    });
  });

  it.each([1002, 1008, 1026, 2061])('play %i under status 200', async (code) => {
    const { status, text } = await chat({ stream: true, messages: user(`[[sim fault=error:${code}]]`) });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({
      choices: null,
      usage: { total_tokens: 0 },
      base_resp: { status_code: code },
    });
  });

  it('play a code under a status of its own', async () => {
    const { status, text } = await chat({ messages: user('[[sim fault=error:1008:402]]') });
    expect([status, JSON.parse(text)]).toMatchObject([
      402,
      {
        error: {
          type: 'insufficient_balance_error',
          message: 'insufficient balance (1008)',
          http_code: '402',
        },
      },
    ]);
  });

  const toolTurn = {
    role: 'assistant',
    content: '',
    tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }],
  };
  it.each([
    [{ model: 'minimax-m3' }, /unknown model/],
    [{ temperature: 3 }, /temperature/],
    [{ n: 2 }, /n must be 1/],
    [{ max_completion_tokens: 600_000 }, /max_completion_tokens/],
    [{ tools: [{ type: 'function', function: { name: 'f' } }] }, /function name or parameters is empty/],
    [
      { messages: [...user('x'), { role: 'tool', tool_call_id: 'c1', content: 'y' }] },
      /does not follow tool call/,
    ],
    [
      { messages: [...user('x'), toolTurn, { role: 'tool', tool_call_id: 'c2', content: 'y' }] },
      /tool id\(c2\) not found/,
    ],
    [{ model: 'MiniMax-M2.5', messages: user([{ type: 'image_url', image_url: { url: 'x' } }]) }, /image/],
    [{ model: 'MiniMax-M2', messages: user('word '.repeat(210_000)) }, /context window exceeds limit/],
  ])('refuse %# with 2013', async (body, text) => {
    const received = await chat(body);
    expect(received.status).toBe(400);
    const { error } = JSON.parse(received.text) as { error: { type: string; message: string } };
    expect(error).toMatchObject({ type: 'bad_request_error', message: expect.stringMatching(text) });
    expect(error.message).toMatch(/^invalid params, .* \(2013\)$/);
  });

  it('list models with a time', async () => {
    const { text } = await call(`${simulator.baseUrls.minimax}/models`, undefined);
    expect(JSON.parse(text)).toMatchObject({
      data: expect.arrayContaining([
        { id: 'MiniMax-M3', object: 'model', created: 1_780_272_000, owned_by: 'minimax' },
      ]),
    });
  });
});
