import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ExchangeHandler,
  type Exchange,
  type ExchangeReply,
  type ReplySink,
  type Served,
  type Usage,
} from '@tunan/contracts';
import { Fault, SystemClock } from '@tunan/kernel';
import { PeerSet } from '../http/peer-set.js';
import { Callers } from '../rpc/callers.js';
import { LocalStage } from './local-stage.js';
import { StageClient } from './stage-client.js';
import { StageServer } from './stage-server.js';

const served: Served = {
  provider: 'deepseek',
  upstreamModel: 'deepseek-flash',
  channel: 'c1',
  attempts: 2,
  fallback: true,
  adapted: 'seed=ignored, temperature=1.0',
};
const usage: Usage = { prompt: 4, cachedPrompt: 1, completion: 3, reasoning: 0 };
const frame = (text: string): Buffer => Buffer.from(`data: ${JSON.stringify({ text })}\n\n`);

/** An answer in pieces, of which the last has the usage. */
const LARGE = [
  ...Array.from({ length: 8 }, (_, n) => Buffer.alloc(100_000, `${n}`)),
  Buffer.from('{"usage":{}}'),
];

/** As many vectors as one request may ask for, of the most dimensions, in the longest digits. */
const VECTOR = Buffer.from(`[${'-1.2345678901234567e-100,'.repeat(2_048)}]`);
const LARGEST = Array.from({ length: 2_048 }, () => VECTOR);

/** A stage that does what the first message says. */
class ScriptedStage extends ExchangeHandler {
  received: Exchange | undefined;
  resumed = 0;

  handle(exchange: Exchange): Promise<ExchangeReply> {
    this.received = exchange;
    switch (exchange.body.model) {
      case 'unary':
        return Promise.resolve({
          kind: 'unary',
          served,
          body: Buffer.from('{"usage":{}}'),
          usage,
          outputTokens: 3,
        });
      case 'large':
        return Promise.resolve({
          kind: 'unary',
          served,
          head: LARGE.slice(0, -1),
          body: LARGE.at(-1)!,
          usage,
          outputTokens: 3,
        });
      case 'largest':
        return Promise.resolve({
          kind: 'unary',
          served,
          head: LARGEST,
          body: Buffer.from('{"usage":{}}'),
          usage,
          outputTokens: 0,
        });
      case 'refused':
        return Promise.reject(
          new Fault('rate_limit_exceeded', 'Slow down.', { retryAfterMs: 1_500, param: 'x' }),
        );
      case 'cut':
        return this.#stream((sink) => {
          sink.frames(frame('a'), 1);
          sink.fail(new Fault('upstream_stream_cut', 'Cut.'));
        });
      case 'drained':
        return this.#stream((sink) => {
          sink.frames(frame('a'), 1);
          exchange.signal.addEventListener('abort', () => {
            sink.usage(usage, frame('usage'));
            sink.fail(new Fault('client_closed', 'The client went away.'));
          });
        });
      default:
        return this.#stream((sink) => {
          sink.frames(frame('a'), 1);
          sink.frames(Buffer.concat([frame('b'), frame('c')]), 2);
          sink.usage(usage, frame('usage'));
          sink.end();
        });
    }
  }

  #stream(run: (sink: ReplySink) => void): Promise<ExchangeReply> {
    return Promise.resolve({
      kind: 'stream',
      served,
      body: { start: run, resume: () => void (this.resumed += 1) },
    });
  }
}

const exchangeFor = (model: string, stream: boolean, signal = new AbortController().signal): Exchange => ({
  requestId: `request-${model}`,
  operation: 'chat',
  body: { model, messages: [{ role: 'user', content: 'Grüße 漢字' }], stream },
  stream,
  ceiling: 77,
  includeUsage: true,
  strictParameters: true,
  deadlineMs: performance.now() + 10_000,
  signal,
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  caller: { accountId: 'acc_1', tier: 'paid' },
  target: {
    channel: 'c1',
    provider: 'deepseek',
    upstreamModel: 'deepseek-flash',
    thinking: false,
    billsAfterCancel: true,
    unstreamedTokensMax: 6,
    timeouts: { connectMs: 1, firstContentMs: 2, idleMs: 3, unaryFirstByteMs: 4, totalMs: 5 },
  },
});

/** Records what a sink was told until the body ends. */
const collect = (reply: ExchangeReply, onFirst?: () => void) => {
  if (reply.kind !== 'stream') throw new Error('not a stream');
  return new Promise<{
    bytes: string;
    tokens: number;
    usage: Usage | null | undefined;
    fault: Fault | undefined;
  }>((resolve) => {
    const seen = {
      bytes: '',
      tokens: 0,
      usage: undefined as Usage | null | undefined,
      fault: undefined as Fault | undefined,
    };
    reply.body.start({
      frames(bytes, tokens) {
        seen.bytes += bytes.toString();
        seen.tokens += tokens;
        onFirst?.();
        return true;
      },
      usage: (reported) => void (seen.usage = reported),
      end: () => resolve(seen),
      fail: (fault) => resolve({ ...seen, fault }),
    });
  });
};

describe('stages', () => {
  const stage = new ScriptedStage();
  const clock = new SystemClock();
  let server: Server;
  let peers: PeerSet;
  let url: string;

  beforeAll(async () => {
    const stages = new StageServer(new Callers({ router: ['token'], ingress: ['other'] }), clock);
    stages.provide('connector/deepseek', stage);
    server = createServer((request, response) => void stages.handle(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    peers = new PeerSet(url, 8);
  });

  afterAll(async () => {
    await peers.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  /** What a caller may rely on, whichever way the exchange travels. */
  describe.each([
    ['in one process', () => new LocalStage('connector/deepseek', () => stage)],
    ['over HTTP', () => new StageClient('connector/deepseek', peers, 'token', clock)],
  ] as const)('a stage %s', (_, open) => {
    it('hands over every fact of the exchange', async () => {
      const sent = exchangeFor('unary', false);
      await open().handle(sent);
      const { signal: _signal, deadlineMs: sentDeadlineMs, ...facts } = sent;
      expect(stage.received).toMatchObject(facts);
      expect(Math.abs(stage.received!.deadlineMs - sentDeadlineMs)).toBeLessThan(1_000);
    });

    it('returns a unary answer with its usage and what served it', async () => {
      const reply = await open().handle(exchangeFor('unary', false));
      expect(reply).toEqual({
        kind: 'unary',
        served,
        body: Buffer.from('{"usage":{}}'),
        usage,
        outputTokens: 3,
      });
    });

    // Guarantee: an answer of tens of megabytes is not copied to pass it on; its end is whole, for its cost to be written.
    it('returns a large answer in pieces, and its end in one', async () => {
      const reply = await open().handle(exchangeFor('large', false));
      if (reply.kind !== 'unary') throw new Error('not unary');
      expect(reply.head!.length).toBeGreaterThan(1);
      expect(Buffer.concat([...reply.head!, reply.body]).equals(Buffer.concat(LARGE))).toBe(true);
      expect(reply.body.toString()).toMatch(/\{"usage":\{\}\}$/);
    });

    it('returns the largest answer that there may be', async () => {
      const reply = await open().handle(exchangeFor('largest', false));
      if (reply.kind !== 'unary') throw new Error('not unary');
      const bytes = reply.head!.reduce((sum, piece) => sum + piece.length, reply.body.length);
      expect(bytes).toBe(LARGEST.length * VECTOR.length + '{"usage":{}}'.length);
    });

    it('returns a stream byte for byte', async () => {
      const reply = await open().handle(exchangeFor('stream', true));
      expect(reply.served).toEqual(served);
      expect(await collect(reply)).toEqual({
        bytes: `${frame('a')}${frame('b')}${frame('c')}`,
        tokens: 3,
        usage,
        fault: undefined,
      });
    });

    it('rejects with the fault of a refusal', async () => {
      await expect(open().handle(exchangeFor('refused', false))).rejects.toMatchObject({
        code: 'rate_limit_exceeded',
        publicMessage: 'Slow down.',
        retryAfterMs: 1_500,
        param: 'x',
      });
    });

    it('tells a stream that was cut from one that ended', async () => {
      const seen = await collect(await open().handle(exchangeFor('cut', true)));
      expect(seen).toMatchObject({ bytes: frame('a').toString(), fault: { code: 'upstream_stream_cut' } });
    });

    it('still returns the usage after the client went away', async () => {
      const abort = new AbortController();
      const reply = await open().handle(exchangeFor('drained', true, abort.signal));
      const seen = await collect(reply, () => setImmediate(() => abort.abort()));
      expect(seen).toMatchObject({ usage, fault: { code: 'client_closed' } });
    });
  });

  it('sends nothing for a client that has left already', async () => {
    stage.received = undefined;
    const client = new StageClient('connector/deepseek', peers, 'token', clock);
    await expect(client.handle(exchangeFor('unary', false, AbortSignal.abort()))).rejects.toMatchObject({
      code: 'client_closed',
    });
    expect(stage.received).toBeUndefined();
  });

  // Guarantee: whoever leaves while a long prompt is on its way does not pay for a whole answer.
  it('hears that the client left while the body is under way', async () => {
    const headers = {
      authorization: 'Bearer token',
      'content-type': 'application/json',
      'x-request-id': 'r-slow',
    };
    const post = httpRequest(`${url}/connector/deepseek/v1/chat/completions`, { method: 'POST', headers });
    const answered = new Promise((resolve) => post.once('response', resolve));
    post.write('{"model":"unary",');
    const abandon = (): Promise<number> =>
      fetch(`${url}/connector/deepseek/exchanges/r-slow`, { method: 'DELETE', headers }).then(
        ({ status }) => status,
      );
    let status = await abandon();
    while (status === 404) status = await abandon();
    expect(status).toBe(204);
    post.end('"messages":[]}');
    await answered;
    expect(stage.received).toMatchObject({ requestId: 'r-slow', signal: { aborted: true } });
  });

  it('says again that the client left until the callee knows the exchange', async () => {
    const abort = new AbortController();
    let words = 0;
    let end: () => void = () => undefined;
    const late = createServer((request, response) => {
      if (request.method === 'POST') {
        end = () => response.writeHead(500).end();
        return abort.abort();
      }
      words += 1;
      response.writeHead(words < 3 ? 404 : 204).end();
      if (words === 3) end();
    });
    await new Promise<void>((resolve) => late.listen(0, '127.0.0.1', resolve));
    const latePeers = new PeerSet(`http://127.0.0.1:${(late.address() as AddressInfo).port}`, 4);
    const client = new StageClient('connector/deepseek', latePeers, 'token', clock);
    await expect(client.handle(exchangeFor('unary', false, abort.signal))).rejects.toBeInstanceOf(Fault);
    expect(words).toBe(3);
    await latePeers.close();
    late.closeAllConnections();
    await new Promise((resolve) => late.close(resolve));
  });

  it('fails as unavailable when nobody listens', async () => {
    const nobody = new PeerSet('http://127.0.0.1:9', 1);
    const client = new StageClient('connector/deepseek', nobody, 'token', clock);
    await expect(client.handle(exchangeFor('unary', false))).rejects.toMatchObject({
      code: 'service_unavailable',
    });
    await nobody.close();
  });

  it('refuses a caller that may not send to this stage', async () => {
    const client = new StageClient('connector/deepseek', peers, 'other', clock);
    await expect(client.handle(exchangeFor('unary', false))).rejects.toMatchObject({
      code: 'invalid_api_key',
    });
  });

  it('is an ordinary OpenAI stream for anything else', async () => {
    const answer = await fetch(`${url}/connector/deepseek/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer token', 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'stream', stream: true, messages: [] }),
    });
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
    expect(await answer.text()).toBe(
      `${frame('a')}${frame('b')}${frame('c')}${frame('usage')}data: [DONE]\n\n`,
    );
  });
});
