import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@tunan/testing';
import { FRAMING } from './corpus/framing.js';
import { JSON_BODIES } from './corpus/json-bodies.js';
import { KEYS } from './corpus/keys.js';
import { PARAMETERS } from './corpus/parameters.js';
import { CHAT, request, rightChat, type Expected, type HostileCase } from './hostile-case.js';
import { startHostileRig, type HostileRig } from './hostile-rig.js';
import { exchange, type RawAnswer } from './raw-http.js';
import { readOpenAiError } from './openai-error.js';

/** Rows of the list of bad input that this platform answers for today. */
const REQUIRED = [
  ...Array.from({ length: 41 }, (_, index) => index + 1),
  ...Array.from({ length: 14 }, (_, index) => index + 45),
  ...Array.from({ length: 17 }, (_, index) => index + 60),
  88,
  90,
].filter((row) => row !== 59);

const GROUPS = { JSON_BODIES, PARAMETERS, KEYS, FRAMING };
const REQUEST_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const body = JSON.stringify(rightChat);

/** Rows that need more than bytes and an answer; each has a test of its own below. */
const SPECIAL = { limits: 54, forwarded: 57, slow: 75, leaving: 76, framesInContent: 88, labels: 90 };

describe('hostile input', () => {
  let rig: HostileRig;
  let shown = 0n;

  beforeAll(async () => {
    rig = await startHostileRig({ TUNAN_HEADERS_MS_MAX: '3000', TUNAN_REQUEST_MS_MAX: '15000' });
  }, 180_000);

  afterAll(async () => {
    expect(await rig.stop()).toBe(0);
  }, 60_000);

  it('covers every row of the list', () => {
    const covered = new Set<number>(Object.values(SPECIAL));
    for (const { row } of Object.values(GROUPS).flat()) covered.add(row);
    expect([...covered].sort((a, b) => a - b)).toEqual(REQUIRED);
  });

  const checkAnswer = (answer: RawAnswer | undefined, expected: Expected): void => {
    expect(answer?.status).toBe(expected.status);
    const { headers, body: text } = answer!;
    expect(headers.get('x-request-id')).toMatch(REQUEST_ID);
    if (expected.code === undefined) expect(answer!.status).toBeLessThan(300);
    else
      expect(readOpenAiError(answer!)).toMatchObject({
        code: expected.code,
        param: expected.param ?? null,
      });
    for (const [name, value] of Object.entries(expected.headers ?? {}))
      expect(headers.get(name)).toMatch(value);
    for (const name of expected.without ?? []) expect(headers.has(name)).toBe(false);
    if (expected.closes === true) expect(headers.get('connection')).toBe('close');
    expect(text).not.toMatch(/node:internal|\bat \w+ \(|\.[jt]s:\d+/);
  };

  /** What every input must leave behind: these calls upstream and no other, no hold, a process that answers. */
  const checkAftermath = async (callsBefore: number, calls: number): Promise<void> => {
    expect((await rig.callsUpstream()) - callsBefore).toBe(calls);
    if (calls === 0) expect(await rig.holds()).toBe(0);
    else await eventually('every hold has ended', async () => (await rig.holds()) === 0);
    await rig.alive();
  };

  const addCost = (answers: readonly RawAnswer[]): void => {
    for (const { status, body: text } of answers) {
      const cost = status === 200 ? /"cost":(\d+)\.(\d+)/.exec(text) : null;
      if (cost !== null) shown += BigInt(cost[1]!) * 1_000_000_000n + BigInt(cost[2]!.padEnd(9, '0'));
    }
  };

  const run = async ({ send, expect: expected, calls = 0, check }: HostileCase): Promise<void> => {
    const before = await rig.callsUpstream();
    const closes = expected.at(-1)!.closes === true;
    const options = { answers: expected.length, untilClosed: closes };
    const { answers, closed } = await exchange(rig.port, send(rig.actors), options);
    addCost(answers);
    expect(answers.map(({ status }) => status)).toEqual(expected.map(({ status }) => status));
    expected.forEach((one, index) => checkAnswer(answers[index], one));
    if (closes) expect(closed).toBe(true);
    check?.(answers.at(-1)!.body);
    await checkAftermath(before, calls);
  };

  describe.each(Object.entries(GROUPS))('%s', (_, cases) => {
    it.each(cases.map((one) => [one.row, one.name.slice(0, 60), one] as const))(
      'C %d: %s',
      (_row, _name, one) => run(one),
      60_000,
    );
  });

  it('C 48: says the same of every key that does not work', async () => {
    const { unknownKey, revokedKey, expiredKey } = rig.actors;
    const texts = new Set<string>();
    for (const key of [unknownKey, revokedKey, expiredKey, 'sk-wrong']) {
      const lines = `X-Forwarded-For: 198.51.100.48\r\n`;
      const { answers } = await exchange(rig.port, [request({ key, lines, body })]);
      texts.add(answers[0]!.body);
    }
    expect(texts.size).toBe(1);
  });

  it('C 54: refuses beyond each limit with 429 and when to come back, before anything is called', async () => {
    const limited = [
      await rig.newAccount({ rpm: 1 }),
      await rig.newAccount({ tpm: 10 }),
      await rig.newAccount({ concurrency: 1 }),
    ];
    for (const { apiKey } of limited) {
      // A slow stream keeps its place; of the two others the first call uses up the limit.
      const slow = {
        ...rightChat,
        stream: true,
        messages: [{ role: 'user', content: '[[sim first_delay_ms=4000]]' }],
      };
      const first = exchange(rig.port, [request({ key: apiKey, body: JSON.stringify(slow) })]);
      await eventually('the first call is upstream', async () => (await rig.holds()) === 1);
      const before = await rig.callsUpstream();
      const { answers } = await exchange(rig.port, [request({ key: apiKey, body })]);
      checkAnswer(answers[0], {
        status: 429,
        code: 'rate_limit_exceeded',
        headers: {
          'retry-after': /^\d+$/,
          'x-ratelimit-remaining': /^\d+$/,
          'x-ratelimit-limit-requests': /^\d+$/,
        },
      });
      expect((await rig.callsUpstream()) - before).toBe(0);
      expect((await first).answers[0]!.status).toBe(200);
      await eventually('every hold has ended', async () => (await rig.holds()) === 0);
    }
  }, 60_000);

  it('C 57: limits strangers by the address they come from, whatever they say', async () => {
    const asStranger = (index: number) =>
      exchange(
        rig.port,
        [request({ key: 'sk-wrong', lines: `X-Forwarded-For: 203.0.113.${index}\r\n`, body })],
        {
          localAddress: '127.0.0.2',
        },
      );
    const statuses: number[] = [];
    for (let index = 0; index < 62; index += 1) statuses.push((await asStranger(index)).answers[0]!.status);
    expect(statuses.slice(0, 60)).toEqual(Array(60).fill(401));
    expect(statuses.at(-1)).toBe(429);
  }, 60_000);

  it('C 75: ends slow headers and slow bodies with 408, and lets nobody wait for them', async () => {
    const before = await rig.callsUpstream();
    const { key } = rig.actors;
    const begun = [
      'GET /v1/mod',
      'GET /v1/models HTTP/1.1\r\nHost: a\r\n',
      request({ key, lines: 'Content-Length: 1000\r\n' }),
      Buffer.concat([request({ key, lines: 'Transfer-Encoding: chunked\r\n' }), Buffer.from('5\r\nhe')]),
    ];
    const slow = Promise.all(
      begun.map((bytes) => exchange(rig.port, [bytes], { untilClosed: true, timeoutMs: 60_000 })),
    );
    const { answers } = await exchange(rig.port, [
      request({ method: 'GET', path: '/v1/models', key, contentType: null }),
    ]);
    expect(answers[0]!.status).toBe(200);
    for (const { answers: late, closed } of await slow) {
      expect([late.length, closed]).toEqual([1, true]);
      checkAnswer(late[0], { status: 408, code: 'request_timeout', closes: true });
    }
    await checkAftermath(before, 0);
  }, 90_000);

  it('C 76: forgets an upload whose client leaves in the middle of it', async () => {
    const before = await rig.callsUpstream();
    const { key } = rig.actors;
    for (const lines of ['Content-Length: 1000000\r\n', 'Transfer-Encoding: chunked\r\n']) {
      const begun = Buffer.concat([request({ key, lines }), Buffer.from('5\r\nhello\r\n')]);
      await exchange(rig.port, [begun], { timeoutMs: 500 }).catch(() => undefined);
    }
    await checkAftermath(before, 0);
    expect(rig.host.printed).not.toContain('"level":50');
  });

  it('C 88: a stream whose content looks like frames stays a stream', async () => {
    const before = await rig.callsUpstream();
    const content = 'data: [DONE]\n\ndata: {"choices":[]}\n\n: x\r\nevent: error\n\n';
    const say = JSON.stringify(content).slice(1, -1);
    const ask = {
      model: 'deepseek-chat',
      stream: true,
      messages: [{ role: 'user', content: `[[sim say="${say}"]]` }],
    };
    const { answers } = await exchange(rig.port, [
      request({ key: rig.actors.key, body: JSON.stringify(ask) }),
    ]);
    const frames = answers[0]!.body.split('\n\n').filter((frame) => frame !== '');
    expect(frames.at(-1)).toBe('data: [DONE]');
    const deltas = frames.slice(0, -1).map((frame) => JSON.parse(frame.slice('data: '.length)) as Chunk);
    expect(deltas.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(content);
    await checkAftermath(before, 1);
  });

  it('C 90: no name that a client makes up becomes a label or a log line', async () => {
    const series = async (): Promise<string[]> =>
      (await rig.metrics())
        .split('\n')
        .filter((line) => /^tunan_/.test(line))
        .map((line) => line.replace(/ [^ ]+$/, ''));
    const before = new Set(await series());
    const { key } = rig.actors;
    for (let index = 0; index < 50; index += 1) {
      const evil = `evil-${index}"} 1\nevil{x="`;
      const parts = [
        request({ key, body: JSON.stringify({ ...rightChat, model: evil }) }),
        request({ key, path: `/v1/evil-${index}`, body }),
        request({ key, method: 'PROPFIND', path: CHAT, lines: `User-Agent: evil-${index}\r\n` }),
      ];
      for (const bytes of parts) await exchange(rig.port, [bytes]);
    }
    const text = await rig.metrics();
    expect(text).not.toContain('evil');
    expect((await series()).filter((name) => !before.has(name)).length).toBeLessThan(20);
    expect(rig.host.printed).not.toContain('evil');
  }, 60_000);

  it('C 49, 51: no key was printed', () => {
    for (const key of Object.values(rig.actors)) expect(rig.host.printed).not.toContain(key);
  });

  it('has charged exactly what its answers showed', async () => {
    // Streams above did not ask for their cost.
    expect(shown).toBeGreaterThan(0n);
    await eventually('the ledger has every charge', async () =>
      (await rig.metrics()).includes('tunan_auth_pending_charges 0'),
    );
  });
});

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[];
}
