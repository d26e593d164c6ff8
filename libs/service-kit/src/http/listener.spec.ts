import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Fault } from '@tunan/kernel';
import { eventually, unsentConnections } from '@tunan/testing';
import { sendFault } from './error-response.js';
import { Listener, type ListenerOptions } from './listener.js';
import { readBody } from './read-body.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const BODY_BYTES_MAX = 1_000_000;
let counted = 0;
let largeOpen = 0;

/** A listener that echoes bodies at `/echo`, refuses at `/refuse` without reading, and never ends at `/open`. */
const listen = async (options: Partial<ListenerOptions> = {}): Promise<number> => {
  const listener = new Listener({
    name: 'test',
    host: '127.0.0.1',
    port: 0,
    requestTimeoutMs: 60_000,
    headersTimeoutMs: 60_000,
    writeStallMs: 60_000,
    refusalHeaders: { 'x-refused': 'here' },
    ...options,
  });
  listener.mount('/echo', (request, response) => {
    readBody(request, BODY_BYTES_MAX).then(
      (body) => response.end(`${request.url} ${body.length}`),
      (error: unknown) => sendFault(response, Fault.from(error)),
    );
  });
  listener.mount('/refuse', (_request, response) =>
    sendFault(response, new Fault('invalid_api_key', 'Who are you?')),
  );
  listener.mount('/open', (_request, response) => void response.write('begun'));
  listener.mount('/ended', ({ socket }, response) => {
    response.once('finish', () => socket.end());
    response.end('ended');
  });
  listener.mount('/counted', (_request, response) => {
    counted += 1;
    response.end('counted');
  });
  listener.mount('/large', (_request, response) => {
    largeOpen += 1;
    response.once('close', () => (largeOpen -= 1));
    response.end(Buffer.alloc(64 * 1024 * 1024));
  });
  listener.open();
  const url = await listener.listen();
  cleanups.push(() => listener.close(100));
  return Number(new URL(url).port);
};

interface Connection {
  readonly socket: Socket;
  text(): string;
  readonly closed: Promise<void>;
}

const open = (port: number, localAddress = '127.0.0.1'): Connection => {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  let text = '';
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
  socket.on('error', () => undefined);
  cleanups.push(() => socket.destroy());
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return { socket, text: () => text, closed };
};

const talk = async (port: number, ...parts: string[]): Promise<string> => {
  const { socket, text, closed } = open(port);
  for (const part of parts) socket.write(part, 'latin1');
  await closed;
  return text();
};

const statuses = (text: string): string[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status!);

/** Moments at which a client may reset its connection, by the part of its request that it has sent. */
const MOMENTS = ['half of it', 'all of it', 'the answer'] as const;

/** Sends a request, or the first half of it, and resets the connection: at once, or with the first bytes of the answer. */
const reset = async (port: number, request: string, moment: (typeof MOMENTS)[number]): Promise<void> => {
  const { socket, closed } = open(port);
  const sent = moment === 'half of it' ? request.slice(0, request.length / 2) : request;
  socket.once('data', () => socket.resetAndDestroy());
  socket.write(sent, 'latin1', () => {
    if (moment !== 'the answer') socket.resetAndDestroy();
  });
  await closed;
};

/** What refusals that no handler makes are told by. */
const REFUSED_HERE = /^x-refused: here\r$/m;
const HOST = 'Host: test\r\n';
const CHUNKED = `POST /echo HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`;
const LAST = `GET /echo HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;

describe('a connection', () => {
  it.each([
    ['HTTP/0.9', 'GET /echo\r\n\r\n', '400'],
    ['HTTP/2 by prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '400'],
    ['another version', `GET /echo HTTP/2.0\r\n${HOST}\r\n`, '400'],
    ['no host', 'GET /echo HTTP/1.1\r\n\r\n', '400'],
    ['two hosts', `GET /echo HTTP/1.1\r\n${HOST}${HOST}\r\n`, '400'],
    ['another authority', `GET http://elsewhere/echo HTTP/1.1\r\n${HOST}\r\n`, '400'],
    ['a tunnel', `CONNECT elsewhere:443 HTTP/1.1\r\n${HOST}\r\n`, '405'],
    ['an unknown method', `FOO /echo HTTP/1.1\r\n${HOST}\r\n`, '400'],
    ['129 headers', `GET /echo HTTP/1.1\r\n${HOST}${'a: b\r\n'.repeat(128)}\r\n`, '431'],
    ['16 KiB of headers', `GET /echo HTTP/1.1\r\n${HOST}a: ${'b'.repeat(16_384)}\r\n\r\n`, '431'],
    ['a long URL', `GET /${'a'.repeat(8_192)} HTTP/1.1\r\n${HOST}\r\n`, '414'],
    ['an unknown expectation', `POST /echo HTTP/1.1\r\n${HOST}Expect: gold\r\n\r\n`, '417'],
    [
      'an unknown coding',
      `POST /echo HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
      '400',
    ],
    ['two codings', `POST /echo HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, '400'],
    ['a bad chunk', `${CHUNKED}5\r\nhello\r\nZZ\r\n`, '400'],
    ['a chunk with 100 KB of extensions', `${CHUNKED}5;${'a'.repeat(100_000)}\r\nhello\r\n0\r\n\r\n`, '400'],
  ])('with %s gets one error object with an id, and ends', async (_, request, status) => {
    const answer = await talk(await listen(), request);
    expect(statuses(answer)).toEqual([status]);
    expect(answer).toMatch(/^x-request-id: [0-9a-f-]{36}\r$/m);
    expect(answer).toMatch(/^connection: close\r$/m);
    expect(answer).toMatch(REFUSED_HERE);
    const { error } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)) as { error: object };
    expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
  });

  // Guarantee: no client ends the process, or anything but its own connection, by a reset, whatever was being said.
  it.each([
    ['a tunnel', `CONNECT a:1 HTTP/1.1\r\n${HOST}\r\n`],
    ['a tunnel, with bytes for its other end', `CONNECT a:1 HTTP/1.1\r\n${HOST}\r\n${'x'.repeat(100_000)}`],
    [
      'a tunnel behind another request',
      `GET /echo HTTP/1.1\r\n${HOST}\r\nCONNECT a:1 HTTP/1.1\r\n${HOST}\r\n`,
    ],
    ['an upgrade', `GET /echo HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`],
    ['no request', 'GARBAGE\r\n\r\n'],
    ['no request behind one', `GET /open HTTP/1.1\r\n${HOST}\r\nGARBAGE\r\n\r\n`],
    ['an unknown expectation', `POST /echo HTTP/1.1\r\n${HOST}Expect: gold\r\n\r\n`],
    ['an expectation', `POST /echo HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`],
    ['16 KiB of headers', `GET /echo HTTP/1.1\r\n${HOST}a: ${'b'.repeat(16_384)}\r\n\r\n`],
    ['a bad chunk', `POST /echo HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nZZ\r\n`],
    [
      'a refused upload',
      `POST /refuse HTTP/1.1\r\n${HOST}Content-Length: 900000\r\n\r\n${'x'.repeat(300_000)}`,
    ],
    ['too large an upload', `POST /echo HTTP/1.1\r\n${HOST}Content-Length: 9000000\r\n\r\n`],
    ['an upload', `POST /echo HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`],
    ['an answer without an end', `GET /open HTTP/1.1\r\n${HOST}\r\n`],
    ['a large answer', `GET /large HTTP/1.1\r\n${HOST}\r\n`],
  ])('of %s that its client resets at any moment ends, and no other', async (_, request) => {
    const port = await listen();
    for (const moment of MOMENTS)
      for (let again = 0; again < 3; again += 1) await reset(port, request, moment);
    expect(statuses(await talk(port, LAST))).toEqual(['200']);
  });

  it('beyond the bound that its client resets at any moment ends, and no other', async () => {
    const port = await listen({ connections: { max: 1, perAddressMax: 1 } });
    const first = open(port);
    first.socket.write(`GET /echo HTTP/1.1\r\n${HOST}\r\n`);
    await eventually('an answer', () => first.text().includes('/echo'));
    for (const moment of MOMENTS)
      for (let again = 0; again < 3; again += 1)
        await reset(port, `CONNECT a:1 HTTP/1.1\r\n${HOST}\r\n`, moment);
    first.socket.write(LAST);
    await first.closed;
    expect(statuses(first.text())).toEqual(['200', '200']);
  });

  it('with 128 headers, trailers and chunk extensions is served', async () => {
    const port = await listen();
    const many = `GET /echo HTTP/1.1\r\n${HOST}Connection: close\r\n${'a: b\r\n'.repeat(126)}\r\n`;
    expect(statuses(await talk(port, many))).toEqual(['200']);
    expect(await talk(port, `${CHUNKED}5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n`, LAST)).toContain('/echo 5');
  });

  it('has no request handled that comes behind its last answer', async () => {
    const port = await listen();
    const before = counted;
    const behind = `GET /counted HTTP/1.1\r\n${HOST}\r\n`;
    for (const last of [
      `GET /ended HTTP/1.1\r\n${HOST}\r\n`,
      `GET /echo HTTP/1.1\r\n${HOST}${HOST}\r\n`,
      `POST /refuse HTTP/1.1\r\n${HOST}Content-Length: 900000\r\n\r\n${'x'.repeat(900_000)}`,
    ])
      expect(statuses(await talk(port, last + behind))).toHaveLength(1);
    expect(counted).toBe(before);
  });

  it('keeps the answer that is under way when garbage follows, and answers that after it', async () => {
    const answer = await talk(await listen(), `GET /echo/1 HTTP/1.1\r\n${HOST}\r\n`, 'GARBAGE\r\n\r\n');
    expect(statuses(answer)).toEqual(['200', '400']);
    expect(answer).toContain('/echo/1 0');
  });

  it('keeps the answer that is under way when a tunnel is asked for, and refuses that after it', async () => {
    const answer = await talk(
      await listen(),
      `GET /echo/1 HTTP/1.1\r\n${HOST}\r\nCONNECT a:1 HTTP/1.1\r\n${HOST}\r\n`,
    );
    expect(statuses(answer)).toEqual(['200', '405']);
    expect(answer).toContain('/echo/1 0');
  });

  it('has its requests handled in turn, and those behind an answer that never ended not at all', async () => {
    const port = await listen();
    const get = (path: string): string => `GET ${path} HTTP/1.1\r\n${HOST}\r\n`;
    const hundred = Array.from({ length: 100 }, (_, index) => get(`/echo/${index}`)).join('');
    const answers = await talk(port, hundred + LAST);
    expect([...answers.matchAll(/\/echo\/(\d+) 0/g)].map(([, index]) => Number(index))).toEqual([
      ...Array(100).keys(),
    ]);
    const { socket, text, closed } = open(port);
    socket.write(get('/open') + get('/counted'));
    await eventually('the first answer has begun', () => text().includes('begun'));
    socket.destroy();
    await closed;
    // Whatever came before on this listener has been dealt with once a later request is answered.
    await talk(port, LAST);
    expect(counted).toBe(0);
    expect(await talk(port, get('/counted'), LAST)).toContain('counted');
    expect(counted).toBe(1);
  });

  it('is not used again after a refusal whose body was left unread, and its client still gets the refusal', async () => {
    const port = await listen();
    const { socket, text, closed } = open(port);
    socket.write(`POST /refuse HTTP/1.1\r\n${HOST}Content-Length: 20000000\r\n\r\n`);
    const filling = Buffer.alloc(64 * 1024);
    let sent = 0;
    socket.on('drain', () => {
      while (socket.writable && socket.write(filling)) sent += filling.length;
    });
    socket.write(filling);
    await closed;
    expect(statuses(text())).toEqual(['401']);
    expect(text()).toMatch(/^connection: close\r$/m);
    // Buffers of the kernel on both sides take some; nobody reads the rest.
    expect(sent).toBeLessThan(16 * 1024 * 1024);
  });

  it.each(['GET', 'HEAD', 'OPTIONS'])(
    'ends after the answer to %s with a body that may have no end, and little of it is read',
    async (method) => {
      const { socket, text, closed } = open(await listen());
      const chunk = Buffer.from(`10000\r\n${'x'.repeat(0x10000)}\r\n`);
      let sent = 0;
      const send = (): void => {
        while (socket.writable && socket.write(chunk)) sent += chunk.length;
      };
      socket.on('drain', send);
      socket.write(`${method} /counted HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`);
      send();
      await closed;
      expect(statuses(text())).toEqual(['200']);
      expect(text()).toMatch(/^connection: close\r$/m);
      expect(sent).toBeLessThan(16 * 1024 * 1024);
    },
  );

  it('is used again after an answer to GET with a small body', async () => {
    const asked = `GET /counted HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`;
    expect(statuses(await talk(await listen(), asked, LAST))).toEqual(['200', '200']);
  });

  it('says of a path that nobody answers who refused it, and of none that a handler refused', async () => {
    const port = await listen();
    const get = (path: string): string => `GET ${path} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;
    expect(await talk(port, get('/nowhere'))).toMatch(REFUSED_HERE);
    expect(await talk(port, get('/refuse'))).not.toMatch(REFUSED_HERE);
  });

  it('is used again after a refusal with a small body', async () => {
    const refused = `POST /refuse HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`;
    expect(statuses(await talk(await listen(), refused, LAST))).toEqual(['401', '200']);
  });

  it('is asked for a body only by who reads it', async () => {
    const port = await listen();
    const expecting = (path: string) =>
      `POST ${path} HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`;
    expect(statuses(await talk(port, expecting('/refuse')))).toEqual(['401']);
    const { socket, text } = open(port);
    socket.write(expecting('/echo'));
    await eventually('the body is asked for', () => statuses(text())[0] === '100');
    socket.write('hello');
    await eventually('the answer', () => text().includes('/echo 5'));
  });

  it.each([
    ['header section', `POST /echo HTTP/1.1\r\n${HOST}`],
    ['body', `POST /echo HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhe`],
    ['chunked body', `${CHUNKED}5\r\nhe`],
  ])(
    'with a slow %s gets 408 and ends',
    async (_, begun) => {
      const port = await listen({ headersTimeoutMs: 1_000, requestTimeoutMs: 1_000 });
      const answer = await talk(port, begun);
      expect(statuses(answer)).toEqual(['408']);
      expect(answer).toMatch(REFUSED_HERE);
      expect(answer).toContain('"code":"request_timeout"');
    },
    30_000,
  );

  it('that announces too large a body, or sends one, gets 413 and ends', async () => {
    const port = await listen();
    const declared = `POST /echo HTTP/1.1\r\n${HOST}Content-Length: ${BODY_BYTES_MAX + 1}\r\n\r\n`;
    expect(statuses(await talk(port, declared))).toEqual(['413']);
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    expect(statuses(await talk(port, CHUNKED, ...Array<string>(17).fill(chunk)))).toEqual(['413']);
  });

  it('beyond the bound is refused unread, and taken again once others have ended', async () => {
    const port = await listen({ connections: { max: 3, perAddressMax: 2 } });
    const ask = `GET /echo HTTP/1.1\r\n${HOST}\r\n`;
    const taken = ['127.0.0.1', '127.0.0.1', '127.0.0.2'].map((address) => open(port, address));
    for (const { socket, text } of taken) {
      socket.write(ask);
      await eventually('an answer', () => text().includes('/echo'));
    }
    const before = counted;
    for (const [address, status] of [
      ['127.0.0.1', '503'],
      ['127.0.0.3', '503'],
    ] as const) {
      const refused = open(port, address);
      refused.socket.write(`GET /counted HTTP/1.1\r\n${HOST}\r\n`);
      await refused.closed;
      expect(statuses(refused.text())).toEqual([status]);
      expect(refused.text()).toMatch(/^retry-after: 1\r$/m);
      expect(refused.text()).toMatch(REFUSED_HERE);
    }
    expect(counted).toBe(before);
    taken[2]!.socket.destroy();
    await eventually('there is room', async () => {
      const third = open(port, '127.0.0.1');
      await third.closed;
      return statuses(third.text())[0] === '429';
    });
    expect(await talk(port, LAST).catch(() => '')).toContain(' 429 ');
    const other = open(port, '127.0.0.3');
    other.socket.write(ask);
    await eventually('an answer', () => other.text().includes('/echo'));
  });

  it('whose client takes nothing of a finished answer is ended; one that only takes it slowly is not', async () => {
    const port = await listen({ writeStallMs: 1_000 });
    const stalled = connect(port, '127.0.0.1');
    stalled.on('error', () => undefined);
    stalled.pause();
    stalled.write(`GET /large HTTP/1.1\r\n${HOST}\r\n`);
    const slow = connect(port, '127.0.0.1');
    let taken = 0;
    let pausedAt = 0;
    slow.on('data', (bytes: Buffer) => {
      taken += bytes.length;
      // 256 pauses: longer together than the stall, and few enough for a machine on which each takes ten times as long.
      if (taken - pausedAt < 256 * 1024) return;
      pausedAt = taken;
      slow.pause();
      setTimeout(() => slow.resume(), 10);
    });
    slow.write(`GET /large HTTP/1.1\r\n${HOST}\r\n`);
    cleanups.push(() => (stalled.destroy(), slow.destroy()));
    await eventually('the slow client has everything', () => taken > 64 * 1024 * 1024, 60_000);
    await eventually('both answers have ended', () => largeOpen === 0, 60_000);
    // The client is still there, and the kernel keeps nothing for it.
    expect(unsentConnections(port)).toBe(0);
    // A socket that reads nothing notices its end when it writes.
    await eventually('the stalled connection is gone', () => (stalled.write('G'), stalled.destroyed), 60_000);
    expect(stalled.bytesRead).toBeLessThan(64 * 1024 * 1024);
  }, 130_000);
});
