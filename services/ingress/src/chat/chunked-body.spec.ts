import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { ChunkedBody } from './chunked-body.js';

const PIECES = ['a', '', 'token of sixteen', 'é漢字\r\n0\r\n\r\n', 'x'.repeat(5_000)].map((text) =>
  Buffer.from(text),
);
const END = Buffer.from('end');
const WHOLE = Buffer.concat([...PIECES, END]);

describe('a chunked body', () => {
  let server: Server;

  beforeEach(async () => {
    server = createServer((request, response) => {
      request.resume();
      const body = new ChunkedBody(response);
      body.open(200, { 'content-type': 'text/event-stream' });
      for (const piece of PIECES) body.write(piece);
      setImmediate(() => body.end(END));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
  });

  /** Sends bytes, and returns all that comes back until the server closes the connection. */
  const exchange = (sent: string): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const received: Buffer[] = [];
      connect((server.address() as AddressInfo).port, '127.0.0.1')
        .on('data', (bytes: Buffer) => received.push(bytes))
        .on('end', () => resolve(Buffer.concat(received)))
        .on('error', reject)
        .write(sent);
    });

  it('has each piece as a chunk, and the connection takes the next request', async () => {
    const once = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n';
    // Pipelined: the second answer has to wait for the connection.
    const bytes = await exchange(`${once}\r\n${once}connection: close\r\n\r\n`);
    const [first, rest] = readAnswer(bytes);
    const [second, nothing] = readAnswer(rest);
    for (const { head, body } of [first, second]) {
      expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(head.match(/transfer-encoding/gi)).toHaveLength(1);
      expect(head).not.toMatch(/content-length/i);
      expect(body).toEqual(WHOLE);
    }
    expect(nothing).toHaveLength(0);
  });

  it('is unframed for HTTP/1.0 and ends with the connection', async () => {
    const bytes = await exchange('POST / HTTP/1.0\r\ncontent-length: 0\r\n\r\n');
    const at = bytes.indexOf('\r\n\r\n') + 4;
    expect(bytes.toString('latin1', 0, at)).not.toMatch(/transfer-encoding|keep-alive/i);
    expect(bytes.subarray(at)).toEqual(WHOLE);
  });
});

interface Answer {
  readonly head: string;
  readonly body: Buffer;
}

/** Reads a chunked answer by the grammar of RFC 9112, and what follows it. */
const readAnswer = (bytes: Buffer): [Answer, Buffer] => {
  let at = bytes.indexOf('\r\n\r\n') + 4;
  const head = bytes.toString('latin1', 0, at);
  const chunks: Buffer[] = [];
  for (;;) {
    const line = bytes.indexOf('\r\n', at);
    const size = bytes.toString('latin1', at, line);
    expect(size).toMatch(/^[0-9a-f]+$/);
    const length = Number.parseInt(size, 16);
    const begin = line + 2;
    at = begin + length + 2;
    expect(bytes.toString('latin1', at - 2, at)).toBe('\r\n');
    if (length === 0) return [{ head, body: Buffer.concat(chunks) }, bytes.subarray(at)];
    chunks.push(bytes.subarray(begin, begin + length));
  }
};
