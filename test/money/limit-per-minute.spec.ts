import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chatBody, HostOnDatabase, type TestAccount } from './host-on-database.js';

/*
 * A limit of 60 requests a minute gives a client that retries every 429 at once 60 in each minute, and no more: nobody
 * is starved by its own retries, and `Retry-After` is the truth. The limiter counts by seconds of its own clock, which
 * is this machine's: a request counts until its second is 60 seconds old.
 */

const LIMIT = 60;
const MINUTE_MS = 60_000;
/** Two whole minutes, each from its first success to the first of the next. */
const MINUTES = 2;
/** A request that came at the end of its second has counted for so long when its second is a minute old. */
const COUNTED_MS_MIN = MINUTE_MS - 1_000;
/** Two minutes take 120 s; the rest is for a machine with other things to do. */
const RUN_MS_MAX = 200_000;
/** Clients of the account at once, and how often each asks at most while it is refused: the machine is shared. */
const CLIENTS = 4;
const ASK_EVERY_MS = 50;
/** Headers have whole milliseconds, rounded up, and two clocks of one machine differ by a little. */
const ROUNDING_MS = 50;

/** One request, in milliseconds since 1970: the store decided it between `sentMs` and `cameMs`. */
interface Asked {
  readonly sentMs: number;
  readonly cameMs: number;
  readonly status: number;
  readonly headers: Headers;
}

const nowMs = (): number => performance.timeOrigin + performance.now();

const waitMs = ({ headers }: Asked): number => Number(headers.get('retry-after-ms'));

/** The first success of each minute: the first of all, and each first one that comes when that of before counts no more. */
const firstOfMinutes = (served: readonly Asked[]): Asked[] => {
  const firsts: Asked[] = [];
  for (const asked of served) {
    const last = firsts.at(-1);
    if (last === undefined || asked.cameMs - last.sentMs >= COUNTED_MS_MIN) firsts.push(asked);
  }
  return firsts;
};

const byArrival = (asked: readonly Asked[]): Asked[] => asked.toSorted((a, b) => a.cameMs - b.cameMs);

describe('a client that retries every 429 at once', () => {
  let host: HostOnDatabase;
  let account: TestAccount;
  let all: readonly Asked[];
  let served: readonly Asked[];
  let refused: readonly Asked[];
  /** The longest time in which no request was sent, plus the longest that one took: what the client itself adds. */
  let ownDelayMs: number;

  const ask = async (): Promise<Asked> => {
    const sentMs = nowMs();
    const { status, headers } = await host.call(
      account.apiKey,
      '/v1/chat/completions',
      chatBody('tokens=3', { max_tokens: 10 }),
    );
    return { sentMs, cameMs: nowMs(), status, headers };
  };

  beforeAll(async () => {
    host = await HostOnDatabase.start();
    account = await host.newAccount(
      ...['--rpm', String(LIMIT), '--credit', '5', '--tpm', '1000000000', '--concurrency', '200'],
    );
    const asked: Asked[] = [];
    const successes: Asked[] = [];
    const endMs = nowMs() + RUN_MS_MAX;
    const client = async (): Promise<void> => {
      while (nowMs() < endMs && firstOfMinutes(successes).length <= MINUTES) {
        const one = await ask();
        asked.push(one);
        if (one.status === 200) successes.push(one);
        else await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    all = byArrival(asked);
    served = all.filter(({ status }) => status === 200);
    refused = all.filter(({ status }) => status === 429);
    const sent = all.map(({ sentMs }) => sentMs).sort((a, b) => a - b);
    const pauses = sent.slice(1).map((ms, index) => ms - sent[index]!);
    ownDelayMs = Math.max(...pauses) + Math.max(...all.map(({ sentMs, cameMs }) => cameMs - sentMs));
  }, 400_000);
  afterAll(async () => {
    expect(await host.stop()).toBe(0);
  }, 120_000);

  it('gets no other answer than 200 and 429', () => {
    expect(served.length + refused.length).toBe(all.length);
    expect(refused.length).toBeGreaterThan(LIMIT);
  });

  it('is served exactly its 60 requests in each minute', () => {
    const firsts = firstOfMinutes(served);
    expect(firsts.length).toBe(MINUTES + 1);
    for (const [minute, first] of firsts.slice(0, MINUTES).entries()) {
      const next = firsts[minute + 1]!;
      const within = served.slice(served.indexOf(first), served.indexOf(next));
      expect([minute, within.length]).toEqual([minute, LIMIT]);
      // The next minute begins as soon as the first request of this one counts no more.
      expect(next.cameMs - first.cameMs).toBeLessThanOrEqual(MINUTE_MS + ownDelayMs + ROUNDING_MS);
    }
  });

  it('is served no more than 60 within any minute of the limiter', () => {
    const sent = served.map(({ sentMs }) => sentMs).sort((a, b) => a - b);
    // The n-th admission is not before the n-th request was sent, nor after the n-th answer came.
    const spans = served.slice(LIMIT).map(({ cameMs }, index) => cameMs - sent[index]!);
    expect(spans.length).toBeGreaterThan(LIMIT);
    expect(Math.min(...spans)).toBeGreaterThan(COUNTED_MS_MIN);
    // By the time that the limiter tells itself: the whole limit is back when the second of this admission has left.
    for (const { sentMs, cameMs, headers } of served) {
      const backMs = Number(headers.get('x-ratelimit-reset')) * 1_000;
      expect(backMs).toBeGreaterThan(sentMs + COUNTED_MS_MIN - ROUNDING_MS);
      expect(backMs).toBeLessThan(cameMs + MINUTE_MS + 1_000 + ROUNDING_MS);
    }
  });

  it('is never told to wait longer than a minute, nor longer or shorter than it takes', () => {
    const lastMs = served.at(-1)!.sentMs;
    for (const refusal of refused) {
      const seconds = Number(refusal.headers.get('retry-after'));
      expect(seconds).toBeGreaterThanOrEqual(1);
      expect(seconds).toBeLessThanOrEqual(60);
      expect(waitMs(refusal)).toBeGreaterThan(0);
      expect(waitMs(refusal)).toBeLessThanOrEqual(seconds * 1_000);
      expect(refusal.headers.get('x-ratelimit-remaining')).toBe('0');
      if (refusal.cameMs >= lastMs) continue;
      const next = served.find(({ sentMs }) => sentMs >= refusal.cameMs)!;
      expect(next.cameMs).toBeGreaterThanOrEqual(refusal.sentMs + waitMs(refusal) - ROUNDING_MS);
      const soonest = served.find(({ cameMs }) => cameMs > refusal.cameMs)!;
      expect(soonest.cameMs).toBeLessThanOrEqual(refusal.cameMs + waitMs(refusal) + ownDelayMs + ROUNDING_MS);
    }
  });
});
