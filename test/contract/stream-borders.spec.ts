import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { STOPPED_SAMPLES, STREAM_SAMPLES, type StreamSample } from '@tunan/connector/testing';
import { cliJson, HostProcess, tempDir } from '@tunan/testing';
import { cutBefore, play, ReplayingUpstream } from './replaying-upstream.js';

/** A model of each dialect, and where its upstream is. */
const DIALECTS = [
  ['deepseek-chat', '/deepseek'],
  ['qwen3.5-flash', '/qwen'],
  ['glm-4-flash', '/glm'],
  ['minimax-m3', '/minimax'],
] as const;

/** Signs of one to four bytes, and an escape. Short: every byte of the answer is a call. */
const SAY = 'aë你🎉\\n';
const AT_ONCE = 8;

const MODELS: Readonly<Record<string, string>> = {
  deepseek: 'deepseek-chat',
  qwen: 'qwen3.5-flash',
  glm: 'glm-4-flash',
  minimax: 'minimax-m3',
};

const GIVEN: readonly (StreamSample & { readonly stop?: readonly string[] })[] = [
  ...STREAM_SAMPLES,
  ...STOPPED_SAMPLES,
];

/** Streams in the providers' own words: reasoning, tool calls, odd ends. Every other one has the other line end. */
const SAMPLES = GIVEN.map((sample, index) => {
  const text = index % 2 === 0 ? sample.text : sample.text.replaceAll('\n', '\r\n');
  return { ...sample, index, bytes: Buffer.from(text) };
});
const TOOLS = ['f', 'g', 'get_weather', 'bash'].map((name) => ({
  type: 'function',
  function: { name, parameters: { type: 'object', properties: {} } },
}));

describe('a stream whose upstream is cut anywhere', () => {
  const dir = tempDir();
  let upstream: ReplayingUpstream;
  let host: HostProcess;
  let apiKey: string;

  beforeAll(async () => {
    upstream = await ReplayingUpstream.start(
      () => host.facts.simulatorUrl!,
      SAMPLES.map(({ bytes }) => bytes),
    );
    host = await HostProcess.start({
      dataDir: dir.path,
      env: {
        DEEPSEEK_API_KEY: 'sim-key-deepseek',
        DEEPSEEK_BASE_URL: `${upstream.url}/deepseek`,
        DASHSCOPE_API_KEY: 'sim-key-qwen',
        DASHSCOPE_BASE_URL: `${upstream.url}/qwen/compatible-mode/v1`,
        ZHIPU_API_KEY: 'sim-key-glm',
        ZHIPU_BASE_URL: `${upstream.url}/glm/api/paas/v4`,
        MINIMAX_API_KEY: 'sim-key-minimax',
        MINIMAX_BASE_URL: `${upstream.url}/minimax/v1`,
      },
    });
    const limits = ['--rpm', '1000000', '--tpm', '1000000000', '--concurrency', '1000', '--credit', '1000'];
    const account = ['account', 'create', '--email', 'borders@example.com', ...limits];
    ({ apiKey } = await cliJson<{ apiKey: string }>([...account, '--data-dir', dir.path], {}));
  }, 180_000);

  afterAll(async () => {
    await host.stop();
    await upstream.stop();
    dir.remove();
  }, 60_000);

  /** The bytes of an answer; what differs from call to call by design is made the same. */
  const streamOf = async (model: string, say: string, offset: number, more: object = {}): Promise<string> => {
    const answer = await fetch(`${host.facts.apiUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model,
        messages: [{ role: 'user', content: `${say} ${cutBefore(offset)}` }],
        stream: true,
        stream_options: { include_usage: true },
        ...more,
      }),
    });
    const text = await answer.text();
    return text.replaceAll(/chatcmpl-[0-9a-f]+/g, 'chatcmpl-x').replaceAll(/"created":\d+/g, '"created":0');
  };

  /** Offsets below `length` at which a cut changes what comes. */
  const differences = async (
    whole: string,
    length: number,
    at: (offset: number) => Promise<string>,
  ): Promise<number[]> => {
    const different: number[] = [];
    let next = 1;
    const work = async (): Promise<void> => {
      for (let offset = next++; offset < length; offset = next++)
        if ((await at(offset)) !== whole) different.push(offset);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return different;
  };

  it.each(DIALECTS)(
    '%s is the same for its client at every byte',
    async (model, path) => {
      const say = `[[sim say="${SAY}"]]`;
      const whole = await streamOf(model, say, 0);
      const pieces = [...whole.matchAll(/"content":("(?:[^"\\]|\\.)*")/g)].map(([, piece]) =>
        JSON.parse(piece!),
      );
      expect(pieces.join('')).toBe('aë你🎉\n');
      expect(whole.endsWith('data: [DONE]\n\n')).toBe(true);
      expect(whole.match(/"finish_reason":"stop"/g)).toHaveLength(1);
      const length = upstream.lengthOf(path);
      expect(length).toBeGreaterThan(500);
      expect(await differences(whole, length, (offset) => streamOf(model, say, offset))).toEqual([]);
    },
    300_000,
  );

  it.each(SAMPLES)(
    '$name, is the same for its client at every byte',
    async ({ provider, index, bytes, expected, stop }) => {
      const more = { tools: TOOLS, ...(stop === undefined ? {} : { stop }) };
      const at = (offset: number) => streamOf(MODELS[provider]!, play(index), offset, more);
      const whole = await at(0);
      const deltas = deltasOf(whole);
      const said = (member: 'content' | 'reasoning_content') =>
        deltas.map((delta) => delta[member] ?? '').join('');
      expect([said('content'), said('reasoning_content')]).toEqual([expected.content, expected.reasoning]);
      expect(deltas.flatMap(({ tool_calls: calls }) => calls ?? [])).toEqual(expected.toolCalls);
      expect(await differences(whole, bytes.length, at)).toEqual([]);
    },
    300_000,
  );
});

interface Delta {
  readonly content?: string | null;
  readonly reasoning_content?: string | null;
  readonly tool_calls?: readonly object[];
}

/** What the chunks of a stream add, in order. */
const deltasOf = (stream: string): Delta[] =>
  [...stream.matchAll(/^data: (\{.*\})$/gm)].flatMap(
    ([, chunk]) => (JSON.parse(chunk!) as { choices: { delta: Delta }[] }).choices[0]?.delta ?? [],
  );
