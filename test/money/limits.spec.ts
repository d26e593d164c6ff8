import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@tunan/testing';
import fc from 'fast-check';
import { chatBody, HostOnDatabase, type ApiAnswer, type TestAccount } from './host-on-database.js';

/*
 * The limit headers are what the store would decide by, on every answer to a known key; a limit lets exactly that many
 * through; a refused request takes nobody's place, so that a client which retries at once still gets its limit.
 */

const ROOM = ['--credit', '5', '--tpm', '1000000000', '--concurrency', '200'];

/** Headers have whole milliseconds, rounded up. */
const ROUNDING_MS = 2;

const remaining = ({ headers }: Pick<ApiAnswer<unknown>, 'headers'>): number =>
  Number(headers.get('x-ratelimit-remaining'));

describe('limits', () => {
  let host: HostOnDatabase;
  beforeAll(async () => {
    host = await HostOnDatabase.start();
  }, 180_000);
  afterAll(async () => {
    expect(await host.stop()).toBe(0);
  }, 120_000);

  const chat = ({ apiKey }: TestAccount, more: object = {}) =>
    host.call<{ error?: { code: unknown } }>(apiKey, '/v1/chat/completions', chatBody('tokens=3', more));

  it('of requests let exactly that many through, however many come at once', async () => {
    const account = await host.newAccount('--rpm', '7', ...ROOM);
    const answers = await Promise.all(Array.from({ length: 25 }, () => chat(account)));
    const served = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 429);
    expect([served.length, refused.length]).toEqual([7, 18]);
    expect(served.map(remaining).sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    for (const answer of refused) {
      expect(remaining(answer)).toBe(0);
      const [seconds, ms] = ['retry-after', 'retry-after-ms'].map((name) => Number(answer.headers.get(name)));
      expect(seconds).toBeGreaterThanOrEqual(1);
      expect(seconds).toBeLessThanOrEqual(60);
      expect(seconds! * 1_000).toBeGreaterThanOrEqual(ms!);
    }
  }, 60_000);

  /** What a client may do, the status that it gets, and whether it counts as a request. */
  const STEPS = {
    served: { status: 200, counts: true, run: (account: TestAccount) => chat(account) },
    streamed: {
      status: 200,
      counts: true,
      run: async ({ apiKey }: TestAccount) => {
        const answer = await host.fetch(
          apiKey,
          '/v1/chat/completions',
          chatBody('tokens=3', { stream: true }),
        );
        await answer.text();
        return answer;
      },
    },
    malformed: {
      status: 400,
      counts: false,
      run: (account: TestAccount) => chat(account, { temperature: 9 }),
    },
    'unknown model': {
      status: 404,
      counts: false,
      run: (account: TestAccount) => chat(account, { model: 'none' }),
    },
    'too dear': {
      status: 402,
      counts: false,
      run: (account: TestAccount) => chat(account, { model: 'deepseek-reasoner', max_tokens: 60_000, n: 8 }),
    },
    'a read': {
      status: 200,
      counts: false,
      run: ({ apiKey }: TestAccount) => host.call(apiKey, '/v1/models'),
    },
    'an unknown generation': {
      status: 404,
      counts: false,
      run: ({ apiKey }: TestAccount) => host.call(apiKey, '/v1/generations/none'),
    },
  } as const;

  // Guarantee: whatever came before, and whatever the answer is, its headers are the limiter's state.
  it('are shown as they are, after any sequence', async () => {
    const step = fc.constantFrom(...(Object.keys(STEPS) as (keyof typeof STEPS)[]));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const limit = 6;
        const account = await host.newAccount(
          ...['--rpm', String(limit), '--credit', '0.5', '--tpm', '1000000000', '--concurrency', '50'],
        );
        let left = limit;
        for (const name of steps) {
          const { status, counts, run } = STEPS[name];
          const answer = await run(account);
          // The order of denials: what fails validation is refused as such, then comes the limit.
          const limited = left === 0 && (counts || status === 402);
          expect([name, answer.status]).toEqual([name, limited ? 429 : status]);
          if (counts && !limited) left -= 1;
          const { headers } = answer;
          expect([name, remaining(answer)]).toEqual([name, left]);
          expect(headers.get('x-ratelimit-limit')).toBe(String(limit));
          expect(headers.get('x-ratelimit-limit-requests')).toBe(String(limit));
          expect(headers.get('x-ratelimit-remaining-requests')).toBe(String(left));
          expect(Number(headers.get('x-ratelimit-reset'))).toBeGreaterThan(0);
          expect(headers.get('x-ratelimit-limit-tokens')).toBe('1000000000');
        }
      }),
      { numRuns: 12 },
    );
  }, 180_000);

  it('of tokens show what was used once a request is settled', async () => {
    const account = await host.newAccount('--rpm', '100', '--credit', '5', '--tpm', '50000');
    const answer = await host.call<{ usage: { total_tokens: number } }>(
      account.apiKey,
      '/v1/chat/completions',
      chatBody('tokens=321'),
    );
    const read = await host.call(account.apiKey, '/v1/models');
    expect(Number(read.headers.get('x-ratelimit-remaining-tokens'))).toBe(
      50_000 - answer.body.usage.total_tokens,
    );
  }, 60_000);

  // Guarantee: nobody is starved by its own retries, and Retry-After is never too long.
  it('serve a client that retries every 429 at once its 60 requests in each minute, and no more', async () => {
    const account = await host.newAccount('--rpm', '60', ...ROOM);
    const served: number[] = [];
    /** When a place is free at the latest, by the last refusal. */
    let earliestMs = 0;
    await eventually(
      '125 requests are served',
      async () => {
        const sentMs = performance.now();
        const answer = await chat(account);
        if (answer.status === 429) {
          const waitMs = Number(answer.headers.get('retry-after-ms'));
          expect(waitMs).toBeLessThanOrEqual(60_000);
          earliestMs = sentMs + waitMs;
          return false;
        }
        expect(answer.status).toBe(200);
        const nowMs = performance.now();
        // The time that was told is not longer than needed, nor shorter: what came before it was refused.
        expect(nowMs + ROUNDING_MS).toBeGreaterThanOrEqual(earliestMs);
        earliestMs = 0;
        served.push(nowMs);
        return served.length === 125;
      },
      240_000,
    );
    const spans = served.slice(60).map((ms, index) => ms - served[index]!);
    // A request is admitted before its answer is here: the first of two may have waited for it.
    expect(Math.min(...spans)).toBeGreaterThan(45_000);
  }, 300_000);
});
