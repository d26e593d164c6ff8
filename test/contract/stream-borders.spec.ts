import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cliJson, HostProcess, tempDir } from '@tunan/testing';
import { cutBefore, ReplayingUpstream } from './replaying-upstream.js';

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

describe('a stream whose upstream is cut anywhere', () => {
  const dir = tempDir();
  let upstream: ReplayingUpstream;
  let host: HostProcess;
  let apiKey: string;

  beforeAll(async () => {
    upstream = await ReplayingUpstream.start(() => host.facts.simulatorUrl!);
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
  const streamOf = async (model: string, offset: number): Promise<string> => {
    const answer = await fetch(`${host.facts.apiUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model,
        messages: [{ role: 'user', content: `[[sim say="${SAY}"]] ${cutBefore(offset)}` }],
        stream: true,
        stream_options: { include_usage: true },
      }),
    });
    const text = await answer.text();
    return text.replaceAll(/chatcmpl-[0-9a-f]+/g, 'chatcmpl-x').replaceAll(/"created":\d+/g, '"created":0');
  };

  it.each(DIALECTS)(
    '%s is the same for its client at every byte',
    async (model, path) => {
      const whole = await streamOf(model, 0);
      const pieces = [...whole.matchAll(/"content":("(?:[^"\\]|\\.)*")/g)].map(([, piece]) =>
        JSON.parse(piece!),
      );
      expect(pieces.join('')).toBe('aë你🎉\n');
      expect(whole.endsWith('data: [DONE]\n\n')).toBe(true);
      expect(whole.match(/"finish_reason":"stop"/g)).toHaveLength(1);
      const length = upstream.lengthOf(path);
      const different: number[] = [];
      let next = 1;
      const work = async (): Promise<void> => {
        for (let offset = next++; offset < length; offset = next++)
          if ((await streamOf(model, offset)) !== whole) different.push(offset);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      expect(length).toBeGreaterThan(500);
      expect(different).toEqual([]);
    },
    300_000,
  );
});
