import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@tunan/testing';
import fc from 'fast-check';
import { chatBody, HostOnDatabase, type ApiAnswer, type TestAccount } from './host-on-database.js';

/*
 * The limit headers are what the store would decide by, on every answer to a known key; a limit lets exactly that many
 * through. What a limit gives over minutes is in `limit-per-minute.spec.ts`.
 */

const ROOM = ['--credit', '5', '--tpm', '1000000000', '--concurrency', '200'];

const TPM = 1_000_000_000;

/** Output that counts at admission, at most: whoever asks for more is not refused for what it may never use. */
const OUTPUT_COUNTED_MAX = 4_096;

type Headed = Pick<ApiAnswer<unknown>, 'headers'>;

const remaining = ({ headers }: Headed): number => Number(headers.get('x-ratelimit-remaining'));

const remainingTokens = ({ headers }: Headed): number => Number(headers.get('x-ratelimit-remaining-tokens'));

/** Likely tokens of a prompt of one message in ASCII: 8 for the message, 0.24 a character, rounded up. */
const likelyPrompt = (body: object): number => {
  const { messages } = body as { messages: readonly { content: string }[] };
  return 8 + Math.ceil((messages[0]!.content.length * 240) / 1_000);
};

/** What a request counts at admission. */
const countedAtAdmission = (body: object): number =>
  likelyPrompt(body) + Math.min((body as { max_tokens: number }).max_tokens, OUTPUT_COUNTED_MAX);

/** What a request counts once it is settled: the last usage that its answer tells. */
const totalTokens = (text: string): number =>
  Number([...text.matchAll(/"total_tokens":(\d+)/g)].at(-1)?.[1] ?? Number.NaN);

interface Read extends Headed {
  readonly status: number;
  readonly text: string;
}

interface Step {
  readonly status: number;
  /** The body of a chat request that counts. */
  readonly asks?: object;
  /** The body of one that does not. */
  readonly sends?: object;
  /** Another path. */
  readonly reads?: string;
}

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
    // An answer says what is left once it is settled: at most what its own admission left, and others came after it.
    const left = served.map(remaining).sort((one, other) => one - other);
    for (const [place, most] of left.entries()) expect([most >= 0, most <= place]).toEqual([true, true]);
    for (const answer of refused) {
      expect(remaining(answer)).toBe(0);
      const [seconds, ms] = ['retry-after', 'retry-after-ms'].map((name) => Number(answer.headers.get(name)));
      expect(seconds).toBeGreaterThanOrEqual(1);
      expect(seconds).toBeLessThanOrEqual(60);
      expect(seconds! * 1_000).toBeGreaterThanOrEqual(ms!);
    }
  }, 60_000);

  /** An answer that was read to its end, as text. */
  const read = async ({ apiKey }: TestAccount, path: string, body?: object): Promise<Read> => {
    const answer = await host.fetch(apiKey, path, body);
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };

  /** What a client may do, the status that it gets, and, if it counts as a request, what is asked. */
  const STEPS: Readonly<Record<string, Step>> = {
    served: { status: 200, asks: chatBody('tokens=3', { max_tokens: 300 }) },
    // Output beyond what counts at admission.
    'allowed much': { status: 200, asks: chatBody('tokens=40', { max_tokens: 8_000 }) },
    streamed: {
      status: 200,
      asks: chatBody('tokens=3', {
        max_tokens: 50,
        stream: true,
        stream_options: { include_usage: true },
      }),
    },
    malformed: { status: 400, sends: chatBody('tokens=3', { temperature: 9 }) },
    'unknown model': { status: 404, sends: chatBody('tokens=3', { model: 'none' }) },
    'too dear': {
      status: 402,
      sends: chatBody('tokens=3', { model: 'deepseek-reasoner', max_tokens: 60_000, n: 8 }),
    },
    'a read': { status: 200, reads: '/v1/models' },
    'an unknown generation': { status: 404, reads: '/v1/generations/none' },
  };

  // Guarantee: whatever came before, and whatever the answer is, its headers are the limiter's state.
  it('are shown as they are, after any sequence', async () => {
    const step = fc.constantFrom(...Object.keys(STEPS));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const limit = 6;
        const account = await host.newAccount(
          ...['--rpm', String(limit), '--credit', '0.5', '--tpm', String(TPM), '--concurrency', '50'],
        );
        let left = limit;
        let tokensLeft = TPM;
        for (const name of steps) {
          const { status, asks, sends, reads } = STEPS[name]!;
          const answer = await read(account, reads ?? '/v1/chat/completions', asks ?? sends);
          // The order of denials: what fails validation is refused as such, then comes the limit.
          const limited = left === 0 && (asks !== undefined || status === 402);
          expect([name, answer.status]).toEqual([name, limited ? 429 : status]);
          const counted = asks !== undefined && !limited;
          if (counted) left -= 1;
          const { headers } = answer;
          expect([name, remaining(answer)]).toEqual([name, left]);
          expect(headers.get('x-ratelimit-limit')).toBe(String(limit));
          expect(headers.get('x-ratelimit-limit-requests')).toBe(String(limit));
          expect(headers.get('x-ratelimit-remaining-requests')).toBe(String(left));
          expect(Number(headers.get('x-ratelimit-reset'))).toBeGreaterThan(0);
          expect(headers.get('x-ratelimit-limit-tokens')).toBe(String(TPM));
          // The head of a stream goes out before it is settled, a whole answer after it was.
          const used = name === 'streamed' ? countedAtAdmission(asks!) : totalTokens(answer.text);
          expect([name, remainingTokens(answer)]).toEqual([name, tokensLeft - (counted ? used : 0)]);
          if (counted) tokensLeft -= totalTokens(answer.text);
        }
      }),
      { numRuns: 12 },
    );
  }, 180_000);

  it('of tokens let exactly as many through as fit, and take back what was not used', async () => {
    // So slow that none has ended, and given tokens back, before the last one is decided.
    const body = chatBody('tokens=100 chunk_tokens=1 chunk_delay_ms=600', {
      max_tokens: 1_000,
      stream: true,
    });
    const each = countedAtAdmission(body);
    const account = await host.newAccount(
      ...['--rpm', '1000', '--credit', '5', '--tpm', String(3 * each + 50), '--concurrency', '50'],
    );
    const answers = await Promise.all(
      Array.from({ length: 9 }, () => host.fetch(account.apiKey, '/v1/chat/completions', body)),
    );
    const served = answers.filter(({ status }) => status === 200);
    expect(served.map(remainingTokens).sort((a, b) => b - a)).toEqual([2 * each + 50, each + 50, 50]);
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBe(6);
    for (const answer of refused) {
      // A refused request takes nothing from the others.
      expect([remainingTokens(answer), remaining(answer)]).toEqual([50, 997]);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(60);
      expect(await answer.text()).toMatch(/"message":"[^"]*tokens/);
    }
    for (const { body: stream } of served) await stream!.cancel();
    // Three prompts and what was delivered: far less than one admission counts.
    const left = await eventually(
      'the streams that were left are settled',
      async () => {
        const tokens = remainingTokens(await read(account, '/v1/models'));
        return tokens > 2 * each + 50 && tokens;
      },
      60_000,
    );
    expect(left).toBeLessThan(3 * each + 50);
    expect(
      (await read(account, '/v1/chat/completions', chatBody('tokens=3', { max_tokens: 1_000 }))).status,
    ).toBe(200);
  }, 120_000);

  it('of tokens are driven to zero, and to the last one', async () => {
    const body = chatBody('tokens=40 chunk_delay_ms=600', { max_tokens: 500, stream: true });
    const each = countedAtAdmission(body);
    const account = await host.newAccount(
      ...['--rpm', '1000', '--credit', '5', '--tpm', String(2 * each), '--concurrency', '50'],
    );
    const ask = () => host.fetch(account.apiKey, '/v1/chat/completions', body);
    const running = [await ask(), await ask()];
    expect(running.map((answer) => [answer.status, remainingTokens(answer)])).toEqual([
      [200, each],
      [200, 0],
    ]);
    const refused = await ask();
    expect([refused.status, remainingTokens(refused)]).toEqual([429, 0]);
    for (const answer of [...running, refused]) await answer.body!.cancel();
  }, 60_000);

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
});
