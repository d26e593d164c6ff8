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
/** Clients of the account at once. Each asks again as soon as it is refused. */
const CLIENTS = 4;
/** Many more than this machine could answer in that time: a run that asks so often has gone wrong. */
const ASKED_MAX = 2_000_000;
/** Headers have whole milliseconds, rounded up, and two clocks of one machine differ by a little. */
const ROUNDING_MS = 50;

/** One request, in milliseconds since 1970: the store decided it between `sentMs` and `cameMs`. */
interface Asked {
  readonly sentMs: number;
  readonly cameMs: number;
  readonly status: number;
  readonly told: Told;
}

/** What the headers of an answer tell; null where there is none. */
interface Told {
  readonly retryAfter: string | null;
  readonly retryAfterMs: string | null;
  readonly remaining: string | null;
  readonly reset: string | null;
}

const nowMs = (): number => performance.timeOrigin + performance.now();

const waitMs = ({ told }: Asked): number => Number(told.retryAfterMs);

/** There are very many answers, and whole headers are large. */
const toldBy = (headers: Headers): Told => ({
  retryAfter: headers.get('retry-after'),
  retryAfterMs: headers.get('retry-after-ms'),
  remaining: headers.get('x-ratelimit-remaining'),
  reset: headers.get('x-ratelimit-reset'),
});

/** The first success of each minute: the first of all, and each first one that comes when that of before counts no more. */
const firstOfMinutes = (served: readonly Asked[]): Asked[] => {
  const firsts: Asked[] = [];
  for (const asked of served) {
    const last = firsts.at(-1);
    if (last === undefined || asked.cameMs - last.sentMs >= COUNTED_MS_MIN) firsts.push(asked);
  }
  return firsts;
};

const largest = (numbers: readonly number[]): number => numbers.reduce((one, other) => Math.max(one, other));

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
    return { sentMs, cameMs: nowMs(), status, told: toldBy(headers) };
  };

  beforeAll(async () => {
    host = await HostOnDatabase.start();
    account = await host.newAccount(
      ...['--rpm', String(LIMIT), '--credit', '5', '--tpm', '1000000000', '--concurrency', '200'],
    );
    const asked: Asked[] = [];
    const successes: Asked[] = [];
    const endMs = nowMs() + RUN_MS_MAX;
    let minutes = 0;
    const client = async (): Promise<void> => {
      while (nowMs() < endMs && minutes <= MINUTES && asked.length < ASKED_MAX) {
        const one = await ask();
        asked.push(one);
        if (one.status !== 200) continue;
        successes.push(one);
        minutes = firstOfMinutes(successes).length;
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    all = byArrival(asked);
    served = all.filter(({ status }) => status === 200);
    refused = all.filter(({ status }) => status === 429);
    const sent = all.map(({ sentMs }) => sentMs).sort((a, b) => a - b);
    const pauses = sent.slice(1).map((ms, index) => ms - sent[index]!);
    ownDelayMs = largest(pauses) + largest(all.map(({ sentMs, cameMs }) => cameMs - sentMs));
  }, 400_000);
  afterAll(async () => {
    expect(await host.stop()).toBe(0);
  }, 120_000);

  it('gets no other answer than 200 and 429', () => {
    expect(all.length).toBeLessThan(ASKED_MAX);
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
    for (const { sentMs, cameMs, told } of served) {
      const backMs = Number(told.reset) * 1_000;
      expect(backMs).toBeGreaterThan(sentMs + COUNTED_MS_MIN - ROUNDING_MS);
      expect(backMs).toBeLessThan(cameMs + MINUTE_MS + 1_000 + ROUNDING_MS);
    }
  });

  it('is never told to wait longer than a minute, nor longer or shorter than it takes', () => {
    // The assertion library is too slow for so many.
    const wrong = refused.filter((refusal) => !isHonest(refusal, served, ownDelayMs));
    expect(wrong.slice(0, 10)).toEqual([]);
  });
});

/** Whether a refusal tells the truth: from a minute down to the time after which the next request is served. */
const isHonest = (refusal: Asked, served: readonly Asked[], ownDelayMs: number): boolean => {
  const { sentMs, cameMs, told } = refusal;
  const seconds = Number(told.retryAfter);
  if (!(seconds >= 1 && seconds <= 60 && waitMs(refusal) > 0 && waitMs(refusal) <= seconds * 1_000))
    return false;
  if (told.remaining !== '0') return false;
  if (cameMs >= served.at(-1)!.sentMs) return true;
  const next = served.find((one) => one.sentMs >= cameMs)!;
  const soonest = served.find((one) => one.cameMs > cameMs)!;
  return (
    next.cameMs >= sentMs + waitMs(refusal) - ROUNDING_MS &&
    soonest.cameMs <= cameMs + waitMs(refusal) + ownDelayMs + ROUNDING_MS
  );
};
