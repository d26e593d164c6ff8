import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSimulator, type RunningSimulator } from '../testing/index.js';
import { call, sseChunks, type CallOptions, type Received } from '../testing/http-client.js';

let simulator: RunningSimulator;
let nonces = 0;
beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(() => simulator.stop());

/** One call to DeepSeek without thinking, with a directive; resolves with what arrived and the call's nonce. */
const ask = async (directive: string, body: Record<string, unknown> = {}, options: CallOptions = {}) => {
  const nonce = `fault-${(nonces += 1)}`;
  const content = `[[sim nonce=${nonce} ${directive}]]`;
  const request = {
    model: 'deepseek-flash',
    thinking: { type: 'disabled' },
    messages: [{ role: 'user', content }],
    ...body,
  };
  const received = await call(`${simulator.url}/deepseek/chat/completions`, request, options).catch(
    (error: NodeJS.ErrnoException) => ({ rejected: error.code }),
  );
  return { nonce, received: received as Received & { rejected?: string } };
};
const STREAM = { stream: true };
const contentOf = (text: string): string =>
  sseChunks<{ choices: { delta: { content?: string } }[] }>(text)
    .map(({ choices }) => choices[0]?.delta.content ?? '')
    .join('');

describe('faults before an answer', () => {
  it.each(['reset', 'close'])('%s: the connection ends without a status', async (fault) => {
    const { nonce, received } = await ask(`fault=${fault}`);
    expect(received.rejected).toBe('ECONNRESET');
    expect(await simulator.waitFor('ended', nonce)).toMatchObject({
      outcome: 'cut_by_fault',
      status: null,
      billed: null,
    });
  });

  it('hang: nothing comes until the caller goes', async () => {
    const nonce = `hang-${(nonces += 1)}`;
    const gone = new AbortController();
    const pending = fetch(`${simulator.url}/deepseek/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer sim-x' },
      body: JSON.stringify({
        model: 'deepseek-flash',
        messages: [{ role: 'user', content: `[[sim fault=hang nonce=${nonce}]]` }],
      }),
      signal: gone.signal,
    });
    await simulator.waitFor('accepted', nonce);
    expect(simulator.open().some((open) => open.nonce === nonce)).toBe(true);
    gone.abort();
    await expect(pending).rejects.toThrow();
    expect(await simulator.waitFor('ended', nonce)).toMatchObject({
      outcome: 'aborted_by_client',
      status: null,
    });
  });

  it('html, whitespace and blank bodies come as asked', async () => {
    const html = (await ask('fault=html:503')).received;
    expect([html.status, html.headers['content-type']]).toEqual([503, 'text/html']);
    const blanks = (await ask('fault=whitespace')).received;
    expect([blanks.status, blanks.text.trim(), blanks.text.length > 0]).toEqual([200, '', true]);
    const blank = (await ask('fault=blank', STREAM)).received;
    expect([blank.status, blank.text]).toEqual([200, '']);
  });

  it('an error can say when to come back', async () => {
    const { nonce, received } = await ask('fault=status:429 retry_after_s=7');
    expect([received.status, received.headers['retry-after']]).toEqual([429, '7']);
    expect(await simulator.waitFor('ended', nonce)).toMatchObject({
      outcome: 'error',
      status: 429,
      errorCode: '429',
      billed: null,
    });
  });

  it('a directive that means nothing is refused, not ignored', async () => {
    const { received } = await ask('tokenz=3');
    expect([received.status, received.text]).toEqual([400, expect.stringContaining('tokenz')]);
  });
});

describe('faults inside a body', () => {
  it.each([
    ['close', 'ECONNRESET'],
    ['reset', 'ECONNRESET'],
    ['eof', undefined],
  ])('cut after k chunks by %s: exactly k chunks arrive', async (way, error) => {
    for (const k of [0, 1, 5]) {
      const { nonce, received } = await ask(`tokens=20 fault=cut:${k}:${way}`, STREAM);
      expect([received.status, received.error]).toEqual([200, error]);
      expect(received.text.split('"content":"').filter((rest) => !rest.startsWith('"'))).toHaveLength(k + 1);
      expect(received.text).not.toMatch(/\[DONE\]|"finish_reason":"/);
      expect(await simulator.waitFor('ended', nonce)).toMatchObject({
        outcome: 'cut_by_fault',
        delivered: { chunks: k, outputTokens: k },
        finishReason: null,
        billed: { completion: k },
      });
    }
  });

  // Every byte of a small stream: frames, escapes and UTF-8 sequences are cut anywhere.
  it('cut after k bytes: exactly k bytes arrive, for every k', async () => {
    const say = 'say="天🙂"';
    const whole = (await ask(say, STREAM)).received.bytes;
    for (let k = 0; k < whole; k += 1) {
      const { nonce, received } = await ask(`${say} fault=cut_bytes:${k}:eof`, STREAM);
      expect(received.bytes).toBe(k);
      expect(simulator.log(nonce).at(-1)).toMatchObject({ outcome: 'cut_by_fault', delivered: { bytes: k } });
    }
  });

  it('cut inside a JSON body that announced its whole length', async () => {
    const { nonce, received } = await ask('tokens=50 fault=cut_bytes:100');
    expect([received.status, received.error, received.text.length]).toEqual([200, 'ECONNRESET', 100]);
    expect(Number(received.headers['content-length'])).toBeGreaterThan(300);
    expect(await simulator.waitFor('ended', nonce)).toMatchObject({
      outcome: 'cut_by_fault',
      delivered: { outputTokens: 0, bytes: 100 },
    });
  });

  it('stall: comments may come, the answer does not', async () => {
    const { nonce, received } = await ask('tokens=20 fault=stall:2 keep_alive_ms=5', STREAM, {
      abortWhen: (text) => text.split(': keep-alive').length > 5,
    });
    expect(received.error).toBe('ECONNRESET');
    expect(await simulator.waitFor('ended', nonce)).toMatchObject({
      outcome: 'aborted_by_client',
      cancelledAtToken: 2,
      delivered: { outputTokens: 2 },
    });
  });

  it('garbage: a frame that is not JSON, and then the rest', async () => {
    const { received } = await ask('tokens=4 fault=garbage:2', STREAM);
    expect(() => sseChunks(received.text)).toThrow(SyntaxError);
    expect(received.text).toContain('[DONE]');
  });

  it('flood: one line of the size asked for', async () => {
    const { received } = await ask('fault=flood:1', STREAM);
    expect(received.text.indexOf('\n')).toBeGreaterThan(1_048_576);
  });

  it('empty: no content, and a finish reason all the same', async () => {
    const { received } = await ask('fault=empty', STREAM);
    expect(contentOf(received.text)).toBe('');
    expect(received.text).toContain('"finish_reason":"stop"');
  });

  it('unary: a JSON answer to a call for a stream', async () => {
    const { received } = await ask('fault=unary', STREAM);
    expect(received.headers['content-type']).toBe('application/json');
    expect(JSON.parse(received.text)).toMatchObject({ object: 'chat.completion' });
  });

  it('finish and [DONE] can be left out', async () => {
    const { received } = await ask('finish=none done=false', STREAM);
    expect(received.text).not.toMatch(/\[DONE\]|"finish_reason":"/);
    expect(received.error).toBeUndefined();
  });

  it('the ceiling can be ignored', async () => {
    const { received } = await ask('tokens=40 ignore_ceiling', { max_tokens: 5 });
    expect(JSON.parse(received.text)).toMatchObject({
      usage: { completion_tokens: 40 },
      choices: [{ finish_reason: 'stop' }],
    });
  });
});

describe('lies about usage', () => {
  it.each([
    ['negative', { prompt_tokens: expect.any(Number), completion_tokens: -3 }],
    ['huge', { prompt_tokens: 1e12, completion_tokens: 1e12 }],
    ['string', { completion_tokens: '3' }],
    ['zero', { prompt_tokens: 0, completion_tokens: 0 }],
    ['null', null],
  ])('%s is reported, and the truth is billed', async (lie, reported) => {
    const { nonce, received } = await ask(`tokens=3 usage=${lie}`);
    const { usage } = JSON.parse(received.text) as { usage: unknown };
    expect(usage).toEqual(reported === null ? null : expect.objectContaining(reported));
    const ended = await simulator.waitFor('ended', nonce);
    expect(ended.reported).toEqual(usage);
    expect(ended.billed).toMatchObject({ completion: 3 });
  });

  it('missing, twice and not JSON', async () => {
    expect(JSON.parse((await ask('usage=missing')).received.text)).not.toHaveProperty('usage');
    const twice = sseChunks<{ usage: unknown }>(
      (await ask('usage=twice usage_at=chunk', STREAM)).received.text,
    );
    expect(twice.filter(({ usage }) => usage !== null)).toHaveLength(2);
    const nan = await ask('usage=nan');
    expect(() => JSON.parse(nan.received.text) as unknown).toThrow(SyntaxError);
    expect((await simulator.waitFor('ended', nan.nonce)).reported).toContain('NaN');
  });
});

describe('pacing', () => {
  it('waits before the first output and between chunks', async () => {
    const startedMs = performance.now();
    await ask('tokens=5 first_delay_ms=60 chunk_delay_ms=30', STREAM);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(60 + 4 * 30 - 5);
  });

  it('sends comments while a stream waits and blank lines while a JSON body waits', async () => {
    const stream = (await ask('tokens=1 first_delay_ms=120 keep_alive_ms=10', STREAM)).received;
    expect(stream.text.split(': keep-alive').length).toBeGreaterThan(3);
    const unary = (await ask('tokens=1 first_delay_ms=120 keep_alive_ms=10')).received;
    expect(unary.text).toMatch(/^\n\n+\{/);
    expect(JSON.parse(unary.text)).toMatchObject({ object: 'chat.completion' });
  });

  it('keeps to a number of bytes per second and delivers all of them', async () => {
    const plain = (await ask('say=xyz seed=1')).received;
    const startedMs = performance.now();
    const slow = (await ask('say=xyz seed=1 bytes_per_second=2000')).received;
    expect(performance.now() - startedMs).toBeGreaterThan((plain.text.length / 2_000) * 1_000 * 0.5);
    expect((JSON.parse(slow.text) as { choices: unknown }).choices).toEqual(
      (JSON.parse(plain.text) as { choices: unknown }).choices,
    );
  });

  it('stamps chunks with the monotonic clock, in order', async () => {
    const { received } = await ask('tokens=4 chunk_delay_ms=5 stamp', STREAM);
    const stamps = contentOf(received.text).trim().split(' ').map(BigInt);
    expect(stamps).toHaveLength(4);
    expect(stamps.every((stamp, i) => i === 0 || stamp > stamps[i - 1]!)).toBe(true);
  });

  it('groups tokens into chunks', async () => {
    const { nonce } = await ask('tokens=10 chunk_tokens=4', STREAM);
    expect((await simulator.waitFor('ended', nonce)).delivered).toMatchObject({
      chunks: 3,
      outputTokens: 10,
    });
  });

  it('writes a long stream whole and in order', async () => {
    const { nonce, received } = await ask('tokens=20000', STREAM);
    expect((await simulator.waitFor('ended', nonce)).delivered.bytes).toBe(Buffer.byteLength(received.text));
    expect(sseChunks(received.text)).toHaveLength(20_002);
  });
});
