import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSimulator, type RunningSimulator } from '../../testing/index.js';
import { call, sseChunks, sseEvents } from '../../testing/http-client.js';

interface Chunk {
  id: string;
  object?: string;
  choices: {
    delta: {
      role: string;
      content?: string;
      reasoning_content?: string;
      tool_calls?: { id: string; index: number; function: { name: string; arguments: string } }[];
    };
    finish_reason?: string;
  }[];
  usage?: Record<string, unknown>;
}

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
    `${simulator.baseUrls.glm}/chat/completions`,
    { model: 'glm-4-plus', messages: user('Hello'), ...body },
    key === undefined ? {} : { key },
  );
const stream = async (body: Record<string, unknown>) => {
  const { text } = await chat({ stream: true, ...body });
  return { events: sseEvents(text), chunks: sseChunks<Chunk>(text) };
};
const finishes = (chunks: readonly Chunk[]) => chunks.map(({ choices }) => choices[0]!.finish_reason);

describe('GLM, answers', () => {
  it('have the documented members; older models leave out object', async () => {
    const modern = JSON.parse(
      (await chat({ model: 'glm-5.2', messages: user('[[sim reasoning_tokens=3 tokens=2]]') })).text,
    ) as Chunk;
    expect(modern).toMatchObject({
      id: expect.stringMatching(/^20\d{12}/),
      request_id: expect.any(String),
      object: 'chat.completion',
      choices: [{ finish_reason: 'stop', message: { reasoning_content: expect.any(String) } }],
      usage: { completion_tokens: 5, completion_tokens_details: { reasoning_tokens: 3 } },
    });
    const old = JSON.parse((await chat({})).text) as Chunk;
    expect(old).not.toHaveProperty('object');
    expect(old.usage).not.toHaveProperty('completion_tokens_details');
  });

  it('do not think when thinking is switched off, except models that refuse that', async () => {
    const off = JSON.parse((await chat({ model: 'glm-5.2', thinking: { type: 'disabled' } })).text) as Chunk;
    expect(JSON.stringify(off)).not.toContain('reasoning_content');
    expect((await chat({ model: 'glm-5.3', thinking: { type: 'disabled' } })).status).toBe(400);
    const none = await chat({ model: 'glm-5.3', reasoning_effort: 'none' });
    expect(none.text).not.toContain('reasoning_content');
  });
});

describe('GLM, streams', () => {
  it('name the role on every delta, have finish_reason only at the end, and usage on that chunk', async () => {
    const { events, chunks } = await stream({
      model: 'glm-5.2',
      messages: user('[[sim tokens=3 reasoning_tokens=2]]'),
    });
    expect(chunks.every(({ choices }) => choices[0]!.delta.role === 'assistant')).toBe(true);
    expect(
      chunks
        .slice(0, -1)
        .every(({ choices, usage }) => !('finish_reason' in choices[0]!) && usage === undefined),
    ).toBe(true);
    expect(chunks.at(-1)).toMatchObject({
      choices: [{ finish_reason: 'stop', delta: { content: '' } }],
      usage: { completion_tokens: 5 },
    });
    expect(events.at(-1)!.data).toBe('[DONE]');
  });

  it('bring a tool call whole', async () => {
    const { chunks } = await stream({
      model: 'glm-5.2',
      tools: [WEATHER],
      messages: user('weather? [[sim reasoning_tokens=0]]'),
    });
    const calls = chunks.flatMap(({ choices }) => choices[0]!.delta.tool_calls ?? []);
    expect(calls).toHaveLength(1);
    expect(JSON.parse(calls[0]!.function.arguments)).toEqual({ city: expect.any(String) });
    expect(finishes(chunks)).toEqual([undefined, 'tool_calls']);
  });

  it('with glm-4-flash put the finish reason on the tool chunk itself', async () => {
    const { chunks } = await stream({
      model: 'glm-4-flash-250414',
      tools: [WEATHER],
      messages: user('weather?'),
    });
    expect(chunks).toHaveLength(1);
    expect(chunks[0]).toMatchObject({
      choices: [
        { finish_reason: 'tool_calls', delta: { tool_calls: [{ id: `call_${chunks[0]!.id}_0`, index: 0 }] } },
      ],
      usage: { total_tokens: expect.any(Number) },
    });
  });

  it('with glm-4.5-flash have index -1 and the finish reason twice', async () => {
    const { chunks } = await stream({
      model: 'glm-4.5-flash',
      tools: [WEATHER],
      messages: user('weather? [[sim reasoning_tokens=0]]'),
    });
    expect(finishes(chunks)).toEqual(['tool_calls', 'tool_calls']);
    expect(chunks[0]!.choices[0]!.delta.tool_calls![0]!.index).toBe(-1);
    expect(chunks[0]!.usage).toBeUndefined();
  });

  it.each(['network_error', 'sensitive'])(
    'fail midway only by the finish reason %s, and [DONE]',
    async (reason) => {
      const { events, chunks } = await stream({ messages: user(`[[sim fault=stream_error:2:${reason}]]`) });
      expect(finishes(chunks).at(-1)).toBe(reason);
      expect(events.at(-1)!.data).toBe('[DONE]');
    },
  );
});

describe('GLM, refusals', () => {
  it.each([
    [null, '1001'],
    ['bad', '1002'],
  ])('refuse the key %s with the code %s', async (key, code) => {
    const { status, text } = await chat({}, key);
    expect([status, JSON.parse(text)]).toEqual([401, { error: { code, message: expect.any(String) } }]);
  });

  it.each([
    [{ model: 'glm-9' }, 400, '1211'],
    [{ messages: [{ role: 'system', content: 'x' }] }, 400, '1214'],
    [{ temperature: 1.1 }, 400, '1210'],
    [{ top_p: 0 }, 400, '1210'],
    [{ stop: 'x' }, 400, '1214'],
    [{ user_id: 'short' }, 400, '1214'],
    [{ max_tokens: 200_000 }, 400, '1210'],
    [{ tools: [WEATHER], tool_choice: 'required' }, 400, '1210'],
    [{ response_format: { type: 'json_schema' } }, 400, '1210'],
    [{ messages: user([{ type: 'image_url', image_url: { url: 'x' } }]) }, 400, '1210'],
    [{ messages: user('[[sim fault=error:1113]]') }, 429, '1113'],
    [{ messages: user('[[sim fault=error:1302]]') }, 429, '1302'],
    [{ messages: user('[[sim fault=error:1305]]') }, 429, '1305'],
    [{ messages: user('[[sim fault=status:500]]') }, 500, '1230'],
  ])('refuse %j', async (body, status, code) => {
    const received = await chat(body);
    expect(received.status).toBe(status);
    expect(JSON.parse(received.text)).toEqual({ error: { code, message: expect.any(String) } });
  });

  it('take images where the model sees, up to its number', async () => {
    const images = (count: number) =>
      user([
        ...Array(count).fill({ type: 'image_url', image_url: { url: 'x' } }),
        { type: 'text', text: 'Hi' },
      ]);
    expect((await chat({ model: 'glm-4v-plus-0111', messages: images(5) })).status).toBe(200);
    expect((await chat({ model: 'glm-4v-plus-0111', messages: images(6) })).status).toBe(400);
  });
});

describe('GLM, embeddings', () => {
  const embed = (body: Record<string, unknown>) =>
    call(`${simulator.baseUrls.glm}/embeddings`, { model: 'embedding-3', input: 'tuna', ...body });

  it('have the documented members, an idle completion_tokens among them', async () => {
    const { text } = await embed({ dimensions: 256 });
    const body = JSON.parse(text) as { data: { embedding: number[] }[] };
    expect(body).toMatchObject({
      object: 'list',
      usage: { prompt_tokens: 1, completion_tokens: 0, total_tokens: 1 },
    });
    expect(body.data[0]!.embedding).toHaveLength(256);
  });

  it('take 64 texts and no more', async () => {
    expect((await embed({ input: Array(64).fill('x'), dimensions: 256 })).status).toBe(200);
    const { status, text } = await embed({ input: Array(65).fill('x') });
    expect([status, JSON.parse(text)]).toMatchObject([
      400,
      { error: { code: '1214', message: expect.stringContaining('64') } },
    ]);
  });

  it('refuse a text that is too long', async () => {
    const { status, text } = await embed({ input: ['x', 'word '.repeat(4_000)] });
    expect([status, JSON.parse(text)]).toMatchObject([400, { error: { code: '1261' } }]);
  });

  it('leave flash models out of the list', async () => {
    const { text } = await call(`${simulator.baseUrls.glm}/models`, undefined);
    expect(text).toContain('"glm-4-plus"');
    expect(text).not.toContain('flash');
  });
});
