import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HostProcess, REPOSITORY, tempDir } from '@tunan/testing';
import { VISION_MODELS } from '../facts/seed-facts.js';
import { RecordingProvider } from './recording-provider.js';

/*
 * Images pass through as they were given, and are fetched by nobody here. The host runs with a witness inside that notes
 * every name it resolves and every connection it makes, and that leads names below example.com to a listener.
 */

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=';
const WITNESS = pathToFileURL(join(REPOSITORY, 'test/dialects/witness-connections.mjs')).href;

describe('the gateway and the images of its customers', () => {
  const dir = tempDir();
  const file = join(dir.path, 'witness.txt');
  const witness = { NODE_OPTIONS: `--import ${WITNESS}`, WITNESS_FILE: file };
  let provider: RecordingProvider;
  let listener: Server;
  let heard: number;
  let host: HostProcess;

  const listenerPort = (): number => (listener.address() as AddressInfo).port;
  const noted = (): string => readFileSync(file, 'utf8');

  beforeAll(async () => {
    provider = await RecordingProvider.start();
    listener = createServer((_request, response) => response.end('image')).on(
      'connection',
      () => (heard += 1),
    );
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    host = await HostProcess.start({
      dataDir: join(dir.path, 'data'),
      env: {
        ...witness,
        DASHSCOPE_API_KEY: 'sk-of-this-test',
        DASHSCOPE_BASE_URL: `${provider.url}/qwen`,
        ZHIPU_API_KEY: 'id.of-this-test',
        ZHIPU_BASE_URL: `${provider.url}/glm`,
      },
    });
  }, 120_000);
  afterAll(async () => {
    await host?.stop();
    await provider.stop();
    await new Promise((resolve) => listener.close(resolve));
    dir.remove();
  }, 60_000);
  beforeEach(() => {
    heard = 0;
    provider.requests.length = 0;
  });

  it('would be caught: a process that fetches such an image is noted and heard', async () => {
    const url = `http://photos.example.com:${listenerPort()}/caught.png`;
    const run = promisify(execFile);
    const code = `fetch(${JSON.stringify(url)}).then((answer) => answer.text()).then(console.log)`;
    const { stdout } = await run(process.execPath, ['--eval', code], { env: { ...process.env, ...witness } });
    expect([stdout.trim(), heard]).toEqual(['image', 1]);
    expect(noted()).toContain('resolves photos.example.com');
    expect(noted()).toContain(`connects photos.example.com:${listenerPort()}`);
  });

  describe.each(VISION_MODELS)('$id', ({ id: model }) => {
    it.each([
      ['a URL', () => `http://gateway.example.com:${listenerPort()}/photo.png?a=1#b`],
      ['a URL without a port', () => 'https://gateway.example.com/photo.png'],
      ['a data URL', () => `data:image/png;base64,${PIXEL}`],
    ])('sends %s to the provider as it is, and connects to nobody else', async (_what, url) => {
      for (const stream of [false, true]) {
        const answer = await fetch(`${host.facts.apiUrl}/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${host.facts.apiKey}`, 'content-type': 'application/json' },
          body: JSON.stringify({
            model,
            stream,
            // So short that a whole answer is asked for as such.
            max_tokens: 100,
            messages: [
              {
                role: 'user',
                content: [
                  { type: 'text', text: 'What is this?' },
                  { type: 'image_url', image_url: { url: url() } },
                ],
              },
            ],
          }),
        });
        expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('A photo.')]);
        expect(provider.requests.at(-1)!.body).toMatchObject({
          stream,
          messages: [
            {
              role: 'user',
              content: [
                { type: 'text', text: 'What is this?' },
                { type: 'image_url', image_url: { url: url() } },
              ],
            },
          ],
        });
      }
      expect(provider.requests).toHaveLength(2);
      expect(heard).toBe(0);
      expect(noted()).not.toContain('gateway.example.com');
    });
  });
});
