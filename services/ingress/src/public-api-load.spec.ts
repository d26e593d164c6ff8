import {
  request as startRequest,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '@tunan/kernel';
import { eventually } from '@tunan/testing';
import { SMALL_BODY_BYTES } from './refused-work.js';
import { CHAT, key, PublicApiRig } from './testing/public-api-rig.js';

describe('PublicApi under load', () => {
  let rig: PublicApiRig;

  beforeEach(async () => {
    rig = new PublicApiRig();
    await rig.start();
  });
  afterEach(() => rig.stop());

  describe('work on large bodies', () => {
    const large = `{"x":"${'x'.repeat(SMALL_BODY_BYTES)}"}`;
    const send = (body = large) => rig.call('POST', CHAT, undefined, body);

    it('that was for nothing keeps further ones of the account out, unread, for a while', async () => {
      rig.handle = () => {
        rig.cpuMs += 300;
        throw new Fault('missing_required_parameter', 'No model.');
      };
      for (let sent = 0; sent < 2; sent += 1) expect((await send()).status).toBe(400);
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      for (const framing of [
        { 'content-length': String(large.length) },
        { 'transfer-encoding': 'chunked' },
      ]) {
        const upload = startRequest(`${rig.base}${CHAT}`, {
          method: 'POST',
          headers: { ...headers, ...framing },
        });
        const refused = await new Promise<IncomingMessage>((resolve) => {
          upload
            .once('response', resolve)
            .on('error', () => undefined)
            .flushHeaders();
        });
        expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '2']);
        expect(refused.headers['x-ratelimit-remaining']).toBe('12');
        upload.destroy();
      }
      expect(rig.handled).toBe(2);
      rig.handle = () => undefined;
      expect((await send('{}')).status).toBe(200);
      rig.clock.advance(2_000);
      expect((await send()).status).toBe(200);
    });

    it('that was asked for by who did not wait for the answer was for nothing, too', async () => {
      const asked: ClientRequest[] = [];
      rig.handle = () => {
        rig.cpuMs += 600;
        asked.pop()!.destroy();
        throw new Fault('missing_required_parameter', 'No model.');
      };
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      const upload = startRequest(`${rig.base}${CHAT}`, { method: 'POST', headers });
      asked.push(upload.on('error', () => undefined));
      upload.end(large);
      await eventually('it is refused', async () => (await send()).status === 429);
      expect(rig.handled).toBe(1);
    });

    it('that was of use keeps nobody out', async () => {
      rig.handle = () => void (rig.cpuMs += 1_000);
      for (let sent = 0; sent < 5; sent += 1) expect((await send()).status).toBe(200);
    });
  });

  it('refuses uploads beyond what an account may have on the way, and none that has arrived', async () => {
    await rig.stop();
    rig = new PublicApiRig();
    await rig.start(1_000);
    const unanswered: ServerResponse[] = [];
    rig.answered = (response) => void unanswered.push(response);
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const open = (): ClientRequest => {
      const upload = startRequest(`${rig.base}${CHAT}`, { method: 'POST', headers, agent: false });
      upload.on('error', () => undefined).write('{');
      return upload;
    };
    for (let count = 0; count < 20; count += 1) open().end('}');
    await eventually('they have arrived', () => unanswered.length === 20);
    const uploads = Array.from({ length: 8 }, open);
    await eventually('they are on the way', () => rig.intake.occupied.requests === 28);
    const refused = await rig.call('POST', CHAT, undefined, '{}');
    expect(refused).toMatchObject({ status: 429, error: { code: 'rate_limit_exceeded' } });
    uploads[0]!.destroy();
    await eventually('one has left', () => rig.intake.occupied.requests === 27);
    rig.answered = (response) => response.end('{}');
    expect((await rig.call('POST', CHAT, undefined, '{}')).status).toBe(200);
  });

  it('sheds load before it reads a body: 503 and Retry-After; a client that left has made room', async () => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const upload = startRequest(`${rig.base}${CHAT}`, { method: 'POST', headers });
    upload.on('error', () => undefined).write('{');
    await eventually('the upload is taken on', () => rig.intake.occupied.requests === 1);
    rig.loopDelayMs = 300;
    const refused = await rig.call('POST', CHAT, undefined, '{}');
    expect(refused).toMatchObject({ status: 503, error: { code: 'service_unavailable' } });
    expect(refused.headers.get('retry-after')).toBe('1');
    upload.destroy();
    await eventually('the upload is forgotten', () => rig.intake.occupied.requests === 0);
    for (let i = 0; i < 6; i += 1) expect((await rig.call('POST', CHAT, undefined, '{}')).status).toBe(200);
    expect(rig.handled).toBe(6);
    expect(rig.intake.occupied).toEqual({ requests: 0, bytes: 0 });
  });
});
