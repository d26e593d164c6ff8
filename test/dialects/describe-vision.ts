import { beforeAll, describe, expect, it } from '@jest/globals';
import { newCustomer } from '../contract/customer.js';
import type { Platform } from '../e2e/topology.js';
import { VISION_MODELS } from '../facts/seed-facts.js';
import { chat } from './front-door.js';
import { endedCalls, newNonce, upstreamCalls } from './upstream-calls.js';

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=';

/** Images reach the provider as they were given, and nobody else. */
export const describeVision = (platform: () => Platform): void => {
  let apiKey: string;
  beforeAll(async () => {
    ({ apiKey } = await newCustomer(platform()));
  });

  const look = async (model: string, url: string, headers: Record<string, string> = {}) => {
    const nonce = newNonce();
    const content = [
      { type: 'text', text: `[[sim nonce=${nonce}]] What's in this image?` },
      { type: 'image_url', image_url: { url, detail: 'high' } },
    ];
    return {
      nonce,
      answer: await chat(platform(), apiKey, { model, messages: [{ role: 'user', content }] }, headers),
    };
  };

  describe.each(VISION_MODELS)('$id', ({ id, provider }) => {
    it.each(['https://example.com/photo.jpg', `data:image/png;base64,${PIXEL}`])('sees %s', async (url) => {
      const { nonce, answer } = await look(id, url);
      expect([answer.status, answer.body?.error]).toEqual([200, undefined]);
      expect(answer.headers.get('x-tunan-adapted')).toBe('detail=ignored');
      const [call] = await endedCalls(platform(), nonce, 1);
      expect([call!.provider, call!.conversation!.images]).toEqual([provider, 1]);
    });

    it('refuses a detail where parameters are strict', async () => {
      const strict = { 'x-tunan-strict-params': 'true' };
      const { nonce, answer } = await look(id, 'https://example.com/photo.jpg', strict);
      expect([answer.status, answer.body?.error]).toEqual([
        400,
        expect.objectContaining({ code: 'unsupported_parameter', param: 'detail' }),
      ]);
      expect(await upstreamCalls(platform(), nonce)).toEqual([]);
    });

    it.each([
      'not a url',
      'ftp://example.com/a.png',
      'file:///etc/passwd',
      'https://ann:secret@example.com/a.png',
      'https://example.com:22/a.png',
      'http://127.0.0.1/a.png',
      'http://2130706433/a.png',
      'http://169.254.169.254/latest/meta-data',
      'http://192.168.0.1/a.png',
      'http://[::1]/a.png',
      'http://[::ffff:10.0.0.1]/a.png',
      'http://localhost/a.png',
      'data:text/html;base64,PGI+',
      'data:image/png;base64,',
    ])('refuses %s by what it says', async (url) => {
      const { nonce, answer } = await look(id, url);
      expect([answer.status, answer.body?.error?.param]).toEqual([
        400,
        'messages[0].content[1].image_url.url',
      ]);
      expect(await upstreamCalls(platform(), nonce)).toEqual([]);
    });
  });

  it('is refused by text models before anything is sent', async () => {
    const { nonce, answer } = await look('deepseek-chat', 'https://example.com/photo.jpg');
    expect(answer.status).toBe(400);
    expect(answer.body?.error?.param).toMatch(/^messages\[0\]\.content/);
    expect(await upstreamCalls(platform(), nonce)).toEqual([]);
  });
};
