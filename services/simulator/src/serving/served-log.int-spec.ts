import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSimulator, type RunningSimulator, type ServedEntry } from '../testing/index.js';
import { call } from '../testing/http-client.js';

let folder: string;
let simulator: RunningSimulator;
let nonces = 0;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'simulator-log-'));
  simulator = await startSimulator({ dataDir: folder });
});
afterAll(async () => {
  await simulator.stop();
  rmSync(folder, { recursive: true });
});

const nextNonce = (): string => `log-${(nonces += 1)}`;
const fileEntries = (): ServedEntry[] =>
  readFileSync(join(folder, 'served.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ServedEntry);
const chatUrl = {
  deepseek: '/deepseek/chat/completions',
  qwen: '/qwen/compatible-mode/v1/chat/completions',
  minimax: '/minimax/v1/chat/completions',
  glm: '/glm/api/paas/v4/chat/completions',
};
const model = { deepseek: 'deepseek-flash', qwen: 'qwen3.7-max', minimax: 'MiniMax-M3', glm: 'glm-5.2' };
type Provider = keyof typeof model;

const chat = (
  provider: Provider,
  directive: string,
  body: Record<string, unknown>,
  options: Parameters<typeof call>[2] = {},
) =>
  call(
    simulator.url + chatUrl[provider],
    {
      model: model[provider],
      messages: [{ role: 'user', content: `secret text [[sim ${directive}]]` }],
      ...body,
    },
    options,
  );

describe('log', () => {
  // The oracle's promise: whatever a caller has seen, the log has already said, in memory and in the file.
  it('holds every entry before the bytes that it describes', async () => {
    const nonce = nextNonce();
    const seen: [string, string[]][] = [];
    await chat(
      'deepseek',
      `nonce=${nonce} tokens=5 chunk_delay_ms=3`,
      { stream: true },
      {
        abortWhen: (text) => {
          const events = fileEntries()
            .filter((entry) => entry.nonce === nonce)
            .map(({ event }) => event);
          seen.push([text, events]);
          return false;
        },
      },
    );
    expect(seen.length).toBeGreaterThan(1);
    expect(seen[0]![1].slice(0, 2)).toEqual(['accepted', 'answering']);
    const complete = seen.find(([text]) => text.includes('[DONE]'))!;
    expect(complete[1]).toEqual(['accepted', 'answering', 'ended']);
  });

  it('holds the end of a JSON answer before its first byte', async () => {
    const nonce = nextNonce();
    let events: string[] = [];
    await chat(
      'glm',
      `nonce=${nonce}`,
      {},
      {
        abortWhen: () => {
          events = simulator.log(nonce).map(({ event }) => event);
          return false;
        },
      },
    );
    expect(events).toEqual(['accepted', 'answering', 'ended']);
  });

  it('keeps parameters, form and headers of a request, and not what it says', async () => {
    const nonce = nextNonce();
    await chat(
      'deepseek',
      `nonce=${nonce}`,
      { temperature: 0.5, max_tokens: 9, made_up: { a: 1 } },
      { headers: { 'x-client-request-id': 'mine' }, key: 'real-key-1' },
    );
    const accepted = await simulator.waitFor('accepted', nonce);
    expect(accepted).toMatchObject({
      provider: 'deepseek',
      operation: 'chat',
      clientRequestId: 'mine',
      method: 'POST',
      path: '/deepseek/chat/completions',
      model: 'deepseek-flash',
      stream: false,
      parameters: { model: 'deepseek-flash', temperature: 0.5, max_tokens: 9, made_up: { a: 1 } },
      conversation: { roles: ['user'], count: 1, images: 0 },
      behaviour: { nonce },
      key: expect.stringMatching(/^[0-9a-f]{12}$/),
      headers: { 'content-type': 'application/json' },
    });
    expect(accepted.headerNames).toContain('authorization');
    expect(accepted.parameters).not.toHaveProperty('messages');
    expect(JSON.stringify(simulator.log(nonce))).not.toMatch(/secret text|real-key-1/);
  });

  it('says what was delivered, reported and billed', async () => {
    const nonce = nextNonce();
    const { text } = await chat('deepseek', `nonce=${nonce} tokens=6 reasoning_tokens=4 prompt_tokens=100`, {
      stream: true,
    });
    const ended = await simulator.waitFor('ended', nonce);
    expect(ended).toMatchObject({
      outcome: 'completed',
      status: 200,
      errorCode: null,
      finishReason: 'stop',
      delivered: { chunks: 10, outputTokens: 10, reasoningTokens: 4, bytes: Buffer.byteLength(text) },
      reported: { prompt_tokens: 100, completion_tokens: 10 },
      billed: { prompt: 100, cached: 0, completion: 10, reasoning: 4 },
      cancelledAtToken: null,
    });
    expect((await simulator.waitFor('answering', nonce)).tokens).toEqual(ended.billed);
  });

  it.each([
    ['deepseek', false],
    ['glm', false],
    ['qwen', true],
    ['minimax', true],
  ] as const)('after a caller left, %s bills the whole answer: %s', async (provider, whole) => {
    const nonce = nextNonce();
    await chat(
      provider,
      `nonce=${nonce} tokens=40 reasoning_tokens=0 prompt_tokens=50 chunk_delay_ms=10`,
      { stream: true },
      {
        abortWhen: (text) => text.split('"content":').length > 6,
      },
    );
    const ended = await simulator.waitFor('ended', nonce);
    expect(ended).toMatchObject({
      outcome: 'aborted_by_client',
      status: 200,
      finishReason: null,
      reported: null,
    });
    expect(ended.cancelledAtToken).toBeGreaterThanOrEqual(3);
    expect(ended.cancelledAtToken).toBeLessThan(40);
    expect(ended.billed).toMatchObject({ prompt: 50, completion: whole ? 40 : ended.delivered.outputTokens });
  });

  it('logs a refused call and a path that does not exist', async () => {
    const nonce = nextNonce();
    await chat('glm', `nonce=${nonce}`, { temperature: 7 });
    expect(await simulator.waitFor('ended', nonce)).toMatchObject({
      outcome: 'error',
      status: 400,
      errorCode: '1210',
      billed: null,
    });
    await call(`${simulator.url}/qwen/nothing`, {});
    expect(simulator.log().slice(-2)).toMatchObject([
      { event: 'accepted', operation: 'unknown', path: '/qwen/nothing' },
      { event: 'ended', status: 404 },
    ]);
  });

  it('numbers entries without a gap, in the file as in memory, and goes on after a restart', async () => {
    await chat('qwen', 'tokens=1', {});
    const entries = fileEntries();
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, i) => i + 1));
    expect(simulator.log()).toEqual(entries);
    await simulator.stop();
    simulator = await startSimulator({ dataDir: folder });
    await chat('qwen', 'tokens=1', {});
    expect(simulator.log()[0]!.seq).toBe(entries.length + 1);
  });

  it('says that a simulator stopped in the middle', async () => {
    const other = await startSimulator({ dataDir: join(folder, 'other') });
    const body = {
      model: 'deepseek-flash',
      stream: true,
      messages: [{ role: 'user', content: '[[sim nonce=s fault=stall:1]]' }],
    };
    const pending = call(`${other.url}/deepseek/chat/completions`, body, { key: 'sim-x' });
    await other.waitFor('answering', 's');
    await other.stop();
    expect((await pending).error).toBe('ECONNRESET');
    expect(other.log('s').at(-1)).toMatchObject({ event: 'ended', outcome: 'stopped' });
  });
});
