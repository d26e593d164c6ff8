import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startAll, type Platform } from '../e2e/topology.js';
import { priceOfTokens } from '../oracle/price-list.js';
import { auditBooks, readBooks, untilSettled } from './books.js';
import { amountIn, costIn, usd } from './amounts.js';

/*
 * Prompts that estimates and limits were not made for: images whose text is megabytes long, a prompt larger than a
 * whole minute's limit, and texts of which tokenizers make far more tokens than usual.
 */

/** Credit that every new account has. */
const SIGNUP_USD = '0.50';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

describe('unusual prompts', () => {
  let platform: Platform;

  beforeAll(async () => {
    platform = await startAll();
  }, 180_000);

  afterAll(async () => {
    await platform.stop();
  }, 120_000);

  /** An account of the free tier, with the tier's limits. */
  const freeAccount = (name: string, credit: string): Promise<{ accountId: string; apiKey: string }> =>
    platform.cli('account', 'create', '--email', `${name}@example.com`, '--credit', credit);

  const ask = async (apiKey: string, body: Readonly<Record<string, unknown>>): Promise<Answer> => {
    const answer = await fetch(`${platform.apiUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };

  const say = (apiKey: string, model: string, content: unknown, more: object = {}): Promise<Answer> =>
    ask(apiKey, { model, messages: [{ role: 'user', content }], ...more });

  const chargesOf = async (accountId: string): Promise<bigint[]> => {
    await untilSettled(platform);
    const books = await readBooks(platform, accountId);
    expect(auditBooks(books)).toEqual([]);
    return books.rows.filter(({ kind }) => kind === 'charge').map(({ amount }) => -amount);
  };

  it.each(['qwen-vl-max', 'qwen-vl-plus', 'glm-4v'])(
    'a new account can show %s a picture of 5 MB, and one by its address',
    async (model) => {
      const { accountId, apiKey } = await freeAccount(`pictures-${model}`, SIGNUP_USD);
      const data = `data:image/png;base64,${Buffer.alloc(5_000_000, 0x89).toString('base64')}`;
      for (const url of [data, 'https://pictures.example.com/harbour.png']) {
        const content = [
          { type: 'text', text: 'What is in this picture?' },
          { type: 'image_url', image_url: { url } },
        ];
        const answer = await say(apiKey, model, content);
        expect([answer.status, answer.status === 200 ? '' : answer.text]).toEqual([200, '']);
      }
      const charges = await chargesOf(accountId);
      expect(charges).toHaveLength(2);
      // By its base64 the picture would be over a million tokens.
      for (const charge of charges) expect(charge).toBeLessThan(priceOfTokens(model, 5_000, 5_000));
    },
    60_000,
  );

  it('a prompt larger than the limit of a minute is served, and how long to wait then is told truly', async () => {
    const { accountId, apiKey } = await freeAccount('long-prompt', '5');
    // Four characters are a token of the simulator: 900,000 of them, of a window of a million.
    const long = await say(apiKey, 'minimax-m3', ' abc'.repeat(900_000), { max_tokens: 100 });
    expect([long.status, long.status === 200 ? '' : long.text]).toEqual([200, '']);
    const { usage } = JSON.parse(long.text) as {
      usage: { prompt_tokens: number; completion_tokens: number };
    };
    expect(usage.prompt_tokens).toBeGreaterThan(900_000);
    expect(await chargesOf(accountId)).toEqual([
      priceOfTokens('minimax-m3', usage.prompt_tokens, usage.completion_tokens),
    ]);

    const small = async (): Promise<Try> => {
      const sentMs = performance.now();
      const { status, headers } = await say(apiKey, 'minimax-m3', 'Hello!', { max_tokens: 16 });
      return { status, headers, sentMs, answeredMs: performance.now() };
    };
    const refused = await small();
    expect(refused.status).toBe(429);
    const waitMs = Number(refused.headers.get('retry-after-ms'));
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(60_000);
    expect(Number(refused.headers.get('retry-after'))).toBe(Math.ceil(waitMs / 1_000));

    // It was decided between these two, so what is answered before is too early, and what is sent after is in time.
    const earliestMs = refused.sentMs + waitMs;
    const latestMs = refused.answeredMs + waitMs;
    const tooEarly: Try[] = [];
    for (const beforeMs of [20_000, 5_000, 500]) {
      await until(earliestMs - beforeMs);
      tooEarly.push(await small());
    }
    const judged = tooEarly.filter(({ answeredMs }) => answeredMs < earliestMs);
    expect(judged.length).toBeGreaterThan(0);
    for (const { status } of judged) expect(status).toBe(429);
    await until(latestMs);
    expect((await small()).status).toBe(200);
  }, 240_000);

  describe.each<[name: string, text: string, realTokens: number | null]>([
    ['emoji', '\u{1F41F}'.repeat(15_000), 60_000],
    ['rare-ideographs', '\u{20BB7}'.repeat(15_000), 60_000],
    ['base64', randomBytes(45_000).toString('base64'), null],
  ])('%s, of which there are more tokens than a hold covers', (name, text, realTokens) => {
    const model = 'deepseek-chat';
    // A tokenizer may make a token of every byte; where no figure is given the simulator's own makes enough.
    const directive = realTokens === null ? '' : `[[sim prompt_tokens=${realTokens}]] `;
    const once = (apiKey: string): Promise<Answer> =>
      say(apiKey, model, directive + text, { max_tokens: 16 });

    it('cost us once what credit did not reach, are then held and charged in full, and never below zero', async () => {
      const poor = await freeAccount(`${name}-poor`, '0');
      const hold = amountIn(/needs up to/, (await once(poor.apiKey)).text);
      const rich = await freeAccount(`${name}-rich`, '1');
      const whole = costIn((await once(rich.apiKey)).text)!;
      expect(await chargesOf(rich.accountId)).toEqual([whole]);
      expect(whole).toBeGreaterThan(hold);

      const credit = (hold + whole) / 2n;
      const { accountId, apiKey } = await freeAccount(name, usd(credit));
      const first = await once(apiKey);
      expect([first.status, costIn(first.text)]).toEqual([200, credit]);
      expect(await chargesOf(accountId)).toEqual([credit]);

      // Enough for two of them, which their usual hold would take for credit for three.
      await platform.cli('credit', 'add', '--account', accountId, '--amount', usd((whole * 5n) / 2n));
      const answers = await Promise.all([once(apiKey), once(apiKey), once(apiKey)]);
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 402]);
      expect(await chargesOf(accountId)).toEqual([credit, whole, whole]);
    }, 60_000);
  });
});

/** A request in its time, by the monotonic clock. */
interface Try {
  readonly status: number;
  readonly headers: Headers;
  readonly sentMs: number;
  readonly answeredMs: number;
}

const until = (atMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - performance.now())));
