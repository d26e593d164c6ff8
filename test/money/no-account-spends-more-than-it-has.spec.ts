import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TOPOLOGIES, type Platform } from '../e2e/topology.js';
import { priceOfTokens } from '../oracle/price-list.js';
import { amountIn, usd } from './amounts.js';
import { auditBooks, readBooks, untilSettled } from './books.js';

/*
 * No account spends more than it has, however many of its requests come at once: what a request can cost at most is
 * set aside before it is sent, so that credit for 37.5 requests serves 37, and what is left can still be spent.
 */

const MODEL = 'deepseek-chat';
const MAX_TOKENS = 500;
const OUTPUT_NANO = priceOfTokens(MODEL, 0, 1);
const AT_ONCE = 300;
/** Requests that the credit covers, times two. */
const CREDIT_HALVES = 75n;
const SERVED_LEAST = 30;
const SERVED_MOST = 37;
/** Refused requests never get far, so this is many more than could be served. */
const ONE_BY_ONE_MAX = 20;

/** Every answer uses all of its ceiling, and comes so late that those of one moment overlap. */
const PROMPT =
  `[[sim tokens=${MAX_TOKENS} chunk_tokens=50 first_delay_ms=500]] ` +
  'She counted the boxes twice, wrote the number down and closed the book. '.repeat(12);

interface Answer {
  readonly status: number;
  readonly retry: string | null;
  readonly retryAfter: string | null;
  readonly text: string;
}

describe.each(TOPOLOGIES)('no account spends more than it has: %s', (_name, start) => {
  let platform: Platform;

  beforeAll(async () => {
    platform = await start();
  }, 180_000);

  afterAll(async () => {
    await platform.stop();
  }, 120_000);

  const newAccount = (email: string, creditNano: bigint): Promise<{ accountId: string; apiKey: string }> =>
    platform.cli(
      ...['account', 'create', '--email', email, '--credit', usd(creditNano)],
      ...['--rpm', '1000000', '--tpm', '1000000000', '--concurrency', '1000'],
    );

  const ask = async (apiKey: string, stream: boolean, maxTokens = MAX_TOKENS): Promise<Answer> => {
    const answer = await fetch(`${platform.apiUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: MODEL,
        messages: [{ role: 'user', content: PROMPT }],
        max_tokens: maxTokens,
        stream,
      }),
    });
    const { headers, status } = answer;
    const text = await answer.text();
    return { status, text, retry: headers.get('x-should-retry'), retryAfter: headers.get('retry-after') };
  };

  /** What one request costs that uses all it may, as the simulator counts. */
  const dearestCost = async (): Promise<bigint> => {
    const { apiKey } = await newAccount('probe@example.com', 1_000_000_000n);
    const { usage } = JSON.parse((await ask(apiKey, false)).text) as {
      usage: { prompt_tokens: number; completion_tokens: number };
    };
    expect(usage.completion_tokens).toBe(MAX_TOKENS);
    return priceOfTokens(MODEL, usage.prompt_tokens, usage.completion_tokens);
  };

  it('of many requests at once', async () => {
    const dearest = await dearestCost();
    const credit = (dearest * CREDIT_HALVES) / 2n;
    const { accountId, apiKey } = await newAccount('spender@example.com', credit);

    const answers = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, index) => ask(apiKey, index % 2 === 0)),
    );
    for (let more = 0; more < ONE_BY_ONE_MAX && (more === 0 || answers.at(-1)!.status === 200); more += 1)
      answers.push(await ask(apiKey, more % 2 === 0));

    const served = answers.filter(({ status }) => status === 200);
    expect(served.length).toBeGreaterThanOrEqual(SERVED_LEAST);
    expect(served.length).toBeLessThanOrEqual(SERVED_MOST);
    for (const refused of answers.filter(({ status }) => status !== 200)) {
      expect([refused.status, refused.text]).toEqual([402, refused.text]);
      expect(refused.retry).toMatch(/^(true|false)$/);
      // Only where running requests hold the credit an SDK may try again, and is told when.
      expect(refused.retryAfter === null).toBe(refused.retry === 'false');
      const { error } = JSON.parse(refused.text) as { error: Record<string, unknown> };
      expect(error).toMatchObject({ type: 'insufficient_quota', code: 402, param: null });
    }
    expect(answers.at(-1)).toMatchObject({ status: 402, retry: 'false' });

    await untilSettled(platform);
    const books = await readBooks(platform, accountId);
    expect(auditBooks(books)).toEqual([]);
    expect(books.rows.map(({ kind }) => kind)).toEqual(['grant', ...served.map(() => 'charge')]);
    expect(books.balance).toBe(credit - BigInt(served.length) * dearest);

    await spendsTheRest(apiKey, accountId, books.balance);
  }, 180_000);

  /** Nothing is held any more: a request that needs all that is left is served, one token more is refused. */
  const spendsTheRest = async (apiKey: string, accountId: string, balance: bigint): Promise<void> => {
    const { text } = await ask(apiKey, true);
    const [needed, available] = [amountIn(/needs up to/, text), amountIn(/available is/, text)];
    expect(available).toBe(balance);
    const tooMany = (needed - available + OUTPUT_NANO - 1n) / OUTPUT_NANO;
    const affordable = MAX_TOKENS - Number(tooMany);
    expect(affordable).toBeGreaterThan(0);
    expect(await ask(apiKey, true, affordable + 1)).toMatchObject({ status: 402, retry: 'false' });
    expect(await ask(apiKey, true, affordable)).toMatchObject({ status: 200 });
    await untilSettled(platform);
    expect(auditBooks(await readBooks(platform, accountId))).toEqual([]);
  };
});
