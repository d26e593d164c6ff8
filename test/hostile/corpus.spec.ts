import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { eventually } from '@tunan/testing';
import { costIn } from '../money/amounts.js';
import { untilSettled } from '../money/books.js';
import { FRAMING } from './corpus/framing.js';
import { JSON_BODIES } from './corpus/json-bodies.js';
import { KEYS } from './corpus/keys.js';
import { PARAMETERS } from './corpus/parameters.js';
import { CHAT, forwardedFor, request, rightChat, type Expected, type HostileCase } from './hostile-case.js';
import { startHostileRig, type HostileRig } from './hostile-rig.js';
import { exchange, type RawAnswer } from './raw-http.js';
import { readOpenAiError } from './openai-error.js';

/** Rows of the list of bad input that this platform answers for today. */
const ROWS = [
  ...Array.from({ length: 41 }, (_, index) => index + 1),
  ...Array.from({ length: 14 }, (_, index) => index + 45),
  ...Array.from({ length: 17 }, (_, index) => index + 60),
  88,
  90,
].filter((row) => row !== 59);
/** How many inputs a row of the list names, where it names more than one. */
const INPUTS: Readonly<Record<number, number>> = {
  ...{ 3: 4, 4: 4, 8: 3, 10: 2, 12: 2, 21: 6, 23: 4, 25: 3, 26: 3, 27: 2, 29: 7, 31: 4, 32: 4, 33: 3, 35: 3 },
  ...{
    36: 2,
    37: 4,
    38: 4,
    39: 3,
    45: 3,
    47: 4,
    48: 5,
    51: 5,
    52: 2,
    53: 2,
    54: 3,
    55: 3,
    56: 2,
    58: 3,
    61: 2,
  },
  ...{ 62: 3, 63: 3, 64: 4, 65: 3, 66: 2, 67: 3, 68: 3, 69: 4, 71: 5, 72: 3, 75: 2 },
};

const GROUPS = { JSON_BODIES, PARAMETERS, KEYS, FRAMING };
const REQUEST_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const body = JSON.stringify(rightChat);

/** Inputs, by row, that need more than bytes and an answer: they have tests of their own below. */
const SPECIAL = { 54: 3, 57: 1, 72: 1, 75: 2, 76: 1, 88: 1, 90: 1 };
/** What depends on other members, on the model, or on more than a schema can say. */
const BEYOND_SCHEMA = [
  '27 a tool result that answers nothing',
  '29 max_tokens 1000000',
  '34 stream_options {"include_usage":tru',
  '36 logit_bias of 1e9',
  '36 logit_bias with 100,000 entries',
  '37 a schema of 1 MiB',
  '37 a schema with a reference elsewhere',
  '37 a schema that refers to a file',
  '38 two tools of one name',
  '41 a prompt beyond the context',
  '45 token id 1099511627776',
];
/** Headers that are another's with each answer. */

const VARYING = /^(?:date|x-request-id|openai-processing-ms|x-ratelimit-reset)$/;

describe('hostile input', () => {
  let rig: HostileRig;
  /** What the account of the cases had, and what their answers said that they cost, in nano-dollars. */
  let credit: bigint;
  let shown = 0n;

  beforeAll(async () => {
    rig = await startHostileRig({ TUNAN_HEADERS_MS_MAX: '3000', TUNAN_REQUEST_MS_MAX: '15000' });
    credit = await rig.balance(rig.accountId);
  }, 180_000);

  afterAll(async () => {
    expect(await rig.stop()).toBe(0);
  }, 60_000);

  it('covers every input that the list names', () => {
    const covered = new Map<number, number>(
      Object.entries(SPECIAL).map(([row, count]) => [Number(row), count]),
    );
    for (const { row } of Object.values(GROUPS).flat()) covered.set(row, (covered.get(row) ?? 0) + 1);
    expect([...covered.keys()].sort((a, b) => a - b)).toEqual(ROWS);
    expect(ROWS.filter((row) => covered.get(row)! < (INPUTS[row] ?? 1))).toEqual([]);
  });

  // Guarantee: which of the three a key is can't be told, also not by the time: each was looked up once, by the same
  // way, and is then known not to work. What is no key at all is not looked up; its form is no secret.
  it('C 48: says the same of every key that does not work, after the same work', async () => {
    const { key, unknownKey, revokedKey, expiredKey } = rig.actors;
    const lookUps = async (): Promise<number> =>
      [...(await rig.metrics()).matchAll(/^tunan_auth_identifications_total\{[^}]*\} (\d+)$/gm)].reduce(
        (sum, [, count]) => sum + Number(count),
        0,
      );
    const ask = async (notWorking: string) => {
      const before = await lookUps();
      const { answers } = await exchange(rig.port, [
        request({ key: notWorking, lines: forwardedFor(), body }),
      ]);
      const { status, headers, body: text } = answers[0]!;
      const fixed = [...headers].filter(([name]) => !VARYING.test(name));
      return { answer: { status, fixed, text }, lookUps: (await lookUps()) - before };
    };
    const first = await ask(unknownKey);
    expect(first).toMatchObject({ answer: { status: 401 }, lookUps: 1 });
    for (const notWorking of [revokedKey, expiredKey]) expect(await ask(notWorking)).toEqual(first);
    const checksum = `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`;
    for (const notWorking of [unknownKey, revokedKey, expiredKey, checksum, 'sk-wrong'])
      expect(await ask(notWorking)).toEqual({ ...first, lookUps: 0 });
  });

  it('C 48: says the same of a key that was revoked since it was used, and counts it', async () => {
    const used = await rig.newAccount();
    const lines = forwardedFor();
    const ask = async (key: string, members: object = {}, path = CHAT) => {
      const sent = JSON.stringify({ ...rightChat, ...members });
      const { answers } = await exchange(rig.port, [request({ key, lines, path, body: sent })]);
      const { status, headers, body: text } = answers[0]!;
      const fixed = [...headers].filter(
        ([name]) => !VARYING.test(name) && !/-(?:remaining|reset)/.test(name),
      );
      return { answer: { status, fixed, text }, remaining: Number(headers.get('x-ratelimit-remaining')) };
    };
    expect((await ask(used.apiKey)).answer.status).toBe(200);
    await rig.revoke(used.keyId);
    const unknown = await ask(rig.actors.unknownKey);
    expect(unknown).toMatchObject({ answer: { status: 401 }, remaining: 59 });
    const nowhere = await ask(rig.actors.unknownKey, {}, '/v1/nowhere');
    expect(await ask(used.apiKey, {}, '/v1/nowhere')).toEqual(nowhere);
    expect(await ask(used.apiKey, { temperature: 9 })).toEqual({ ...unknown, remaining: 58 });
    expect(await ask(used.apiKey)).toEqual({ ...unknown, remaining: 57 });
  });

  const checkAnswer = (answer: RawAnswer | undefined, expected: Expected): void => {
    expect(answer?.status).toBe(expected.status);
    const { headers, body: text } = answer!;
    expect(headers.get('x-request-id')).toMatch(REQUEST_ID);
    expect(headers.get('access-control-allow-origin')).toBe('*');
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
    for (const { status, body: text } of answers) if (status === 200) shown += costIn(text) ?? 0n;
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

  // Guarantee: what is served is right by the document that clients are generated from, and what is refused is wrong by
  // it, but for what a schema of one request can't say.
  it('C 21 to 45: has a document that judges requests as the platform does', async () => {
    const { answers } = await exchange(rig.port, [
      request({ method: 'GET', path: '/openapi.json', contentType: null }),
    ]);
    const document = JSON.parse(answers[0]!.body) as object;
    const ajv = new Ajv2020({ strictSchema: false });
    ajv.addSchema(document, 'document');
    const isRight = (bytes: string): boolean | undefined => {
      const [head, ...rest] = bytes.split('\r\n\r\n');
      const name = head!.startsWith(`POST ${CHAT}`) ? 'ChatRequest' : 'EmbeddingsRequest';
      let json: unknown;
      try {
        json = JSON.parse(rest.join('\r\n\r\n'));
      } catch {
        return undefined;
      }
      return ajv.getSchema(`document#/components/schemas/${name}`)!(json) as boolean;
    };
    const unseen = new Set<string>();
    for (const { row, name, send, expect: expected } of PARAMETERS) {
      const right = isRight(Buffer.concat(send(rig.actors).map((part) => Buffer.from(part))).toString());
      const { status } = expected[0]!;
      if (status === 200) expect([name, right]).toEqual([name, true]);
      else if (right === true && status === 400) unseen.add(`${row} ${name}`);
    }
    expect([...unseen]).toEqual(BEYOND_SCHEMA);
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

  it('C 72, 75: ends slow headers and slow bodies with 408, and lets nobody wait for them', async () => {
    const before = await rig.callsUpstream();
    const { key } = rig.actors;
    const begun = [
      'GET /v1/mod',
      'GET /v1/models HTTP/1.1\r\nHost: a\r\n',
      request({ key, lines: 'Content-Length: 1000\r\n' }),
      Buffer.concat([request({ key, lines: 'Transfer-Encoding: chunked\r\n' }), Buffer.from('5\r\nhe')]),
      // Is asked for its body, which does not come.
      request({ key, lines: 'Expect: 100-continue\r\nContent-Length: 1000\r\n' }),
    ];
    const slow = Promise.all(
      begun.map((bytes) => exchange(rig.port, [bytes], { untilClosed: true, timeoutMs: 60_000 })),
    );
    const { answers } = await exchange(rig.port, [
      request({ method: 'GET', path: '/v1/models', key, contentType: null }),
    ]);
    expect(answers[0]!.status).toBe(200);
    expect((await slow).map(({ interim }) => interim)).toEqual([[], [], [], [], [100]]);
    for (const { answers: late, closed } of await slow) {
      expect([late.length, closed]).toEqual([1, true]);
      checkAnswer(late[0], { status: 408, code: 'request_timeout', closes: true });
    }
    await checkAftermath(before, 0);
  }, 90_000);

  it('C 76: forgets an upload whose client leaves in the middle of it', async () => {
    /** Everything that counts requests, attempts and what became of them. */
    const counted = async (): Promise<string[]> =>
      (await rig.metrics())
        .split('\n')
        .filter((line) => /^tunan_(?:router|connector|auth_(?:admits|settlements))\w*_total\b/.test(line));
    const [before, countedBefore] = [await rig.callsUpstream(), await counted()];
    expect(countedBefore.length).toBeGreaterThan(0);
    const { key } = rig.actors;
    for (const lines of ['Content-Length: 1000000\r\n', 'Transfer-Encoding: chunked\r\n']) {
      const begun = Buffer.concat([request({ key, lines }), Buffer.from('5\r\nhello\r\n')]);
      await exchange(rig.port, [begun], { timeoutMs: 500 }).catch(() => undefined);
    }
    await checkAftermath(before, 0);
    expect(await counted()).toEqual(countedBefore);
    expect(rig.host.printed).not.toContain('"level":50');
  });

  it('C 88: a stream whose content looks like frames stays a stream', async () => {
    const before = await rig.callsUpstream();
    const content = 'data: [DONE]\n\ndata: {"choices":[]}\n\n: x\r\nevent: error\n\n';
    const say = JSON.stringify(content).slice(1, -1);
    const ask = {
      model: 'deepseek-chat',
      stream: true,
      stream_options: { include_usage: true },
      messages: [{ role: 'user', content: `[[sim say="${say}"]]` }],
    };
    const { answers } = await exchange(rig.port, [
      request({ key: rig.actors.key, body: JSON.stringify(ask) }),
    ]);
    addCost(answers);
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
    await untilSettled({ opsUrls: [rig.host.facts.opsUrl] });
    expect(shown).toBeGreaterThan(0n);
    expect(credit - (await rig.balance(rig.accountId))).toBe(shown);
  });
});

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[];
}
