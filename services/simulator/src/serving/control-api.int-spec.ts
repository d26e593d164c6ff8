import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { request as httpRequest } from 'node:http';
import { once } from 'node:events';
import { startSimulator, type RunningSimulator } from '../testing/index.js';
import { call } from '../testing/http-client.js';

let simulator: RunningSimulator;
beforeAll(async () => {
  simulator = await startSimulator({ variables: { SIMULATOR_OPEN_CALLS_MAX: '3' } });
});
afterEach(() => simulator.clearScripts());
afterAll(() => simulator.stop());

const control = async (
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
) => {
  const { status, text } = await call(`${simulator.url}/control${path}`, body, { method, headers });
  return {
    status,
    text,
    body: (text.startsWith('{') && !text.includes('\n') ? JSON.parse(text) : undefined) as Record<
      string,
      unknown
    >,
  };
};
const chat = (content: string, extra: Record<string, unknown> = {}) =>
  call(`${simulator.url}/deepseek/chat/completions`, {
    model: 'deepseek-flash',
    messages: [{ role: 'user', content }],
    ...extra,
  });

describe('control API', () => {
  it('lays down a script that applies as often as it says, over the directive', async () => {
    const { status, body } = await control('POST', '/scripts', {
      match: { provider: 'deepseek', nonce: 'scripted', times: 1 },
      behaviour: { say: 'from the script' },
    });
    expect([status, body['id']]).toEqual([201, expect.stringMatching(/^script-/)]);
    const asked = '[[sim nonce=scripted say="from the directive"]]';
    expect((await chat('[[sim nonce=other say="x"]]')).text).toContain('"content":"x"');
    expect((await chat(asked)).text).toContain('from the script');
    expect((await chat(asked)).text).toContain('from the directive');
    expect(simulator.log('scripted').filter(({ event }) => event === 'accepted')).toMatchObject([
      { script: body['id'] },
      { script: null },
    ]);
  });

  it('plays faults on lists and balances when a script names them', async () => {
    await control('POST', '/scripts', { match: { operation: 'balance' }, behaviour: { fault: 'error:402' } });
    expect((await call(`${simulator.url}/deepseek/user/balance`, undefined)).status).toBe(402);
    expect((await call(`${simulator.url}/deepseek/models`, undefined)).status).toBe(200);
  });

  it.each([{}, { behaviour: { nonsense: 1 } }, { match: { provider: 'x' }, behaviour: {} }, 'not json'])(
    'refuses the script %j',
    async (script) => {
      const { status, body } = await control('POST', '/scripts', script);
      expect([status, body['error']]).toEqual([400, expect.any(String)]);
    },
  );

  it('removes scripts', async () => {
    const { body } = await control('POST', '/scripts', { behaviour: { fault: 'status:500' } });
    await control('POST', '/scripts', { behaviour: { fault: 'status:500' } });
    expect((await control('DELETE', `/scripts/${String(body['id'])}`)).body).toEqual({ removed: 1 });
    expect((await control('DELETE', '/scripts')).body).toEqual({ removed: 1 });
    expect((await chat('Hi')).status).toBe(200);
  });

  it('pages through the log as JSON and as lines, and never deletes it', async () => {
    await chat('[[sim nonce=paged tokens=1]]');
    const page = (await control('GET', '/log?nonce=paged&limit=2')).body as {
      entries: { event: string; seq: number }[];
      next: number;
    };
    expect(page.entries.map(({ event }) => event)).toEqual(['accepted', 'answering']);
    const rest = (await control('GET', `/log?nonce=paged&after=${page.next}`)).body as typeof page;
    expect(rest.entries.map(({ event }) => event)).toEqual(['ended']);
    const { text } = await control('GET', '/log?nonce=paged', undefined, { accept: 'application/x-ndjson' });
    expect(
      text
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { event: string }).event),
    ).toEqual(['accepted', 'answering', 'ended']);
    expect((await control('DELETE', '/log')).status).toBe(404);
    expect((await control('GET', '/log?after=x')).status).toBe(400);
  });

  it('counts calls and shows open ones with their progress, and refuses more than its bound', async () => {
    const before = (await control('GET', '/stats')).body as { requests: number };
    const calls = [1, 2, 3].map((i) => {
      const started = httpRequest(`${simulator.url}/deepseek/chat/completions`, {
        method: 'POST',
        headers: { authorization: 'Bearer sim' },
        agent: false,
      });
      started.on('error', () => undefined);
      started.end(
        JSON.stringify({
          model: 'deepseek-flash',
          stream: true,
          messages: [{ role: 'user', content: `[[sim nonce=open-${i} fault=stall:2]]` }],
        }),
      );
      return started;
    });
    await Promise.all(calls.map((started) => once(started, 'response')));
    expect((await control('GET', '/stats')).body).toMatchObject({
      requests: before.requests + 3,
      open: 3,
      openStreams: 3,
      maxOpenStreams: 3,
    });
    expect(simulator.open()).toMatchObject(
      [1, 2, 3].map((i) => ({ nonce: `open-${i}`, delivered: { outputTokens: 2 } })),
    );
    expect((await chat('Hi')).status).toBe(503);
    for (const started of calls) started.destroy();
    await Promise.all([1, 2, 3].map((i) => simulator.waitFor('ended', `open-${i}`)));
    expect(simulator.stats()).toMatchObject({ open: 0, openStreams: 0, refused: 1 });
  });
});

describe('bad requests', () => {
  it("answer a body that is not JSON with the provider's 400, and too large a body with 413", async () => {
    const url = `${simulator.url}/deepseek/chat/completions`;
    expect((await call(url, '{"model":')).status).toBe(400);
    expect((await call(url, '[]')).status).toBe(400);
    const large = `{"model":"deepseek-flash","x":"${'a'.repeat(26 * 1_048_576)}"}`;
    const answered = await call(url, large).then(
      ({ status }) => status,
      () => 'cut',
    );
    expect([413, 'cut']).toContain(answered);
    expect(simulator.log().at(-1)).toMatchObject({ event: 'ended', status: 413 });
  });

  it('answer paths of nobody with 404', async () => {
    expect((await call(`${simulator.url}/openai/v1/models`, undefined)).status).toBe(404);
    expect((await call(`${simulator.url}/control/nothing`, undefined)).status).toBe(404);
  });
});
