import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSimulator, type RunningSimulator } from '../../testing/index.js';
import { call, sseChunks, sseEvents } from '../../testing/http-client.js';

interface Delta {
  role?: string | null;
  content?: string | null;
  reasoning_content?: string | null;
  tool_calls?:
    { index: number; id: string; type: string; function: { name?: string; arguments: string } }[] | null;
}
interface Chunk {
  id: string;
  choices: { index: number; delta: Delta; finish_reason: string | null }[];
  usage: Record<string, unknown> | null;
}

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
    `${simulator.baseUrls.qwen}/chat/completions`,
    { model: 'qwen3.7-max', messages: user('Hello'), ...body },
    key === undefined ? {} : { key },
  );
const stream = async (body: Record<string, unknown>) => {
  const { text } = await chat({ stream: true, ...body });
  return { events: sseEvents(text), chunks: sseChunks<Chunk>(text) };
};
const embed = (body: Record<string, unknown>) =>
  call(`${simulator.baseUrls.qwen}/embeddings`, { model: 'text-embedding-v3', input: 'tuna', ...body });

describe('Qwen, JSON answers', () => {
  it('have the documented members and think by default', async () => {
    const { headers, text } = await chat({ messages: user('[[sim tokens=5 reasoning_tokens=3]]') });
    const body = JSON.parse(text) as Record<string, unknown>;
    expect(body).toMatchObject({
      object: 'chat.completion',
      model: 'qwen3.7-max',
      system_fingerprint: null,
      id: `chatcmpl-${String(headers['x-request-id'])}`,
      choices: [
        {
          index: 0,
          finish_reason: 'stop',
          message: { role: 'assistant', reasoning_content: expect.any(String) },
        },
      ],
      usage: { completion_tokens: 8, completion_tokens_details: { reasoning_tokens: 3, text_tokens: 5 } },
    });
  });

  it('bound the answer by max_tokens and everything by max_completion_tokens', async () => {
    const long = user('[[sim tokens=50 reasoning_tokens=20]]');
    const answer = JSON.parse((await chat({ messages: long, max_tokens: 5 })).text) as Chunk;
    expect(answer.usage).toMatchObject({ completion_tokens: 25 });
    const all = JSON.parse((await chat({ messages: long, max_completion_tokens: 22 })).text) as Chunk;
    expect(all.usage).toMatchObject({ completion_tokens: 22 });
    const budget = JSON.parse((await chat({ messages: long, thinking_budget: 7 })).text) as Chunk;
    expect(budget.usage).toMatchObject({ completion_tokens: 57 });
  });

  it('give several completions where the model can, and one bill', async () => {
    const { text } = await chat({ model: 'qwen-coder-plus', n: 3, messages: user('[[sim tokens=4]]') });
    const body = JSON.parse(text) as Chunk;
    expect(body.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(body.usage).toMatchObject({ completion_tokens: 12 });
    expect((await chat({ n: 2 })).status).toBe(400);
  });

  it('follow a JSON schema where the model can', async () => {
    const schema = { type: 'object', properties: { n: { const: 4 } }, required: ['n'] };
    const format = {
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } },
    };
    const { text } = await chat({ model: 'qwen-plus', ...format });
    const body = JSON.parse(text) as { choices: { message: { content: string } }[] };
    expect(JSON.parse(body.choices[0]!.message.content)).toEqual({ n: 4 });
    expect((await chat({ ...format })).status).toBe(400);
  });
});

describe('Qwen, streams', () => {
  it('put usage into its own chunk if asked, and nowhere otherwise', async () => {
    const asked = await stream(USAGE);
    expect(asked.chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: expect.any(Number) } });
    expect(asked.chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(asked.events.at(-1)!.data).toBe('[DONE]');
    const unasked = await stream({});
    expect(unasked.chunks.every(({ usage }) => usage === null)).toBe(true);
    expect(unasked.chunks.at(-1)!.choices[0]!.finish_reason).toBe('stop');
  });

  it('name the role first; some models say null for what is not there', async () => {
    const { chunks } = await stream({
      model: 'qwen3.5-flash',
      enable_thinking: false,
      messages: user('[[sim tokens=3]]'),
    });
    const deltas = chunks.map(({ choices }) => choices[0]!.delta);
    expect(deltas[0]).toEqual({ content: '', role: 'assistant' });
    expect(deltas[1]).toMatchObject({ role: null, tool_calls: null, function_call: null, refusal: null });
  });

  it('send an empty id on later pieces of a tool call', async () => {
    const { chunks } = await stream({ tools: [WEATHER], messages: user('weather?') });
    const [first, ...rest] = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
    expect(first).toMatchObject({
      index: 0,
      id: expect.stringMatching(/^call_/),
      function: { name: 'get_weather', arguments: '' },
    });
    expect(rest.length).toBeGreaterThan(0);
    expect(rest.every((piece) => piece.id === '' && piece.type === 'function')).toBe(true);
    expect(JSON.parse(rest.map((piece) => piece.function.arguments).join(''))).toEqual({
      city: expect.any(String),
    });
  });

  it.each([
    [undefined, 1],
    [false, 1],
    [true, 2],
  ])('call one tool at a time unless parallel_tool_calls is true: %s', async (parallel, count) => {
    const { chunks } = await stream({
      tools: [WEATHER],
      parallel_tool_calls: parallel,
      messages: user('[[sim tool_calls=2]] weather?'),
    });
    const pieces = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
    expect(new Set(pieces.map(({ index }) => index)).size).toBe(count);
  });

  it('interleave several completions, each with its finish chunk', async () => {
    const { chunks } = await stream({ model: 'qwen-coder-plus', n: 2, messages: user('[[sim tokens=3]]') });
    const order = chunks.map(({ choices }) => choices[0]!.index);
    expect(order).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
  });

  it('fail midway by an error in place of a chunk, without [DONE]', async () => {
    const { events } = await stream({ messages: user('[[sim fault=stream_error:2]]') });
    expect(JSON.parse(events.at(-1)!.data!)).toEqual({
      error: {
        message: 'Output data may contain inappropriate content.',
        type: 'data_inspection_failed',
        param: null,
        code: 'data_inspection_failed',
      },
    });
  });
});

describe('Qwen, refusals', () => {
  it('refuse a missing or bad key with 401', async () => {
    for (const key of [null, 'bad']) {
      const { status, text } = await chat({ stream: true }, key);
      expect([status, JSON.parse(text)]).toMatchObject([401, { error: { code: 'invalid_api_key' } }]);
    }
  });

  it('refuse a stream in the form of an event', async () => {
    const { status, text } = await chat({ stream: true, temperature: 2 });
    expect(status).toBe(400);
    expect(text).toMatch(/^data: \{"error":\{/);
    expect(JSON.parse(text.replace(/^data: /, ''))).toMatchObject({
      error: {
        message: expect.stringContaining('Temperature should be in [0.0, 2.0)'),
        code: 'invalid_parameter_error',
      },
      request_id: expect.any(String),
    });
  });

  it.each([
    [{ model: 'qwen-vl-max' }, 403, 'Endpoint.AccessDenied', /Workspace endpoint access denied/],
    [{ model: 'qwen99' }, 404, 'model_not_found', /The model `qwen99` does not exist/],
    [{ tools: [WEATHER], tool_choice: 'required' }, 400, 'invalid_parameter_error', /\["none", "auto"\]/],
    [{ response_format: { type: 'json_object' } }, 400, 'invalid_parameter_error', /enable_thinking is true/],
    [
      { response_format: { type: 'json_object' }, enable_thinking: false },
      400,
      'invalid_parameter_error',
      /the word 'json'/,
    ],
    [{ max_tokens: 70_000 }, 400, 'invalid_parameter_error', /Range of max_tokens should be \[1, 65536\]/],
    [
      { tools: [{ type: 'function', function: { name: 'search' } }] },
      400,
      'invalid_parameter_error',
      /search/,
    ],
    [
      { messages: user([{ type: 'image_url', image_url: { url: 'data:' } }]) },
      400,
      'invalid_parameter_error',
      /image/,
    ],
    [{ messages: user('[[sim fault=error:Arrearage]]') }, 400, 'Arrearage', /good standing/],
    [{ messages: user('[[sim fault=error:insufficient_quota]]') }, 429, 'insufficient_quota', /quota/],
    [
      { messages: user('[[sim fault=error:data_inspection_failed]]') },
      400,
      'data_inspection_failed',
      /inappropriate/,
    ],
    [{ messages: user('[[sim fault=status:503]]') }, 503, 'ModelServingError', /capacity/],
  ])('refuse %j', async (body, status, code, text) => {
    const received = await chat(body);
    expect(received.status).toBe(status);
    expect(JSON.parse(received.text)).toMatchObject({
      error: { code, message: expect.stringMatching(text), param: null },
    });
  });

  it('refuse a prompt beyond the context with the range', async () => {
    const { text } = await chat({ model: 'qwen-math-plus', messages: user('word '.repeat(5_000)) });
    expect(text).toContain('Range of input length should be [1, 4096]');
  });
});

describe('Qwen, embeddings', () => {
  it('give deterministic unit vectors of the length asked for', async () => {
    const { text } = await embed({ input: ['a', 'b'], dimensions: 64 });
    const body = JSON.parse(text) as { data: { embedding: number[]; index: number }[] };
    expect(body).toMatchObject({
      model: 'text-embedding-v3',
      object: 'list',
      usage: { prompt_tokens: 2, total_tokens: 2 },
    });
    expect(body.data.map(({ embedding, index }) => [embedding.length, index])).toEqual([
      [64, 0],
      [64, 1],
    ]);
    expect(Math.hypot(...body.data[0]!.embedding)).toBeCloseTo(1, 5);
    expect((JSON.parse((await embed({ input: 'a', dimensions: 64 })).text) as typeof body).data[0]).toEqual(
      body.data[0],
    );
    expect((JSON.parse((await embed({})).text) as typeof body).data[0]!.embedding).toHaveLength(1_024);
  });

  it.each([
    [{ input: Array(11).fill('x') }, 400, /batch size is invalid, it should not be larger than 10/],
    [{ input: [[1, 2]] }, 400, /contents is neither str nor list of str/],
    [{ input: '' }, 400, /Range of input length should be \[1, 8192\]/],
    [{ input: 'word '.repeat(9_000) }, 400, /Range of input length/],
    [{ dimensions: 100 }, 400, /dimension should be/],
    [{ model: 'nope' }, 404, /does not exist/],
  ])('refuse %#', async (body, status, text) => {
    const received = await embed(body);
    expect([received.status, received.text]).toEqual([status, expect.stringMatching(text)]);
  });

  it('list models for a key only', async () => {
    const listed = await call(`${simulator.baseUrls.qwen}/models`, undefined);
    expect(listed.text).toContain('"qwen3.7-plus"');
    expect((await call(`${simulator.baseUrls.qwen}/models`, undefined, { key: null })).status).toBe(401);
  });
});
