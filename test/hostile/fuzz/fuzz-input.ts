import { generateApiKey } from '@tunan/kernel';
import fc from 'fast-check';
import { CHAT, EMBEDDINGS, forwardedFor } from '../hostile-case.js';
import { damage } from './mutate-bytes.js';
import { changedBody } from './mutate-json.js';

/** One input of the fuzz run. */
export interface FuzzInput {
  /** What was done to a right request. */
  readonly kind: string;
  /** Where it ends is plain, so an answer is due however wrong it is. */
  readonly whole: boolean;
  readonly bytes: Buffer;
}

const METHODS = [
  'GET',
  'POST',
  'POST',
  'PUT',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'PROPFIND',
  'FOO',
  'get',
  '',
];
const TARGETS = [
  ...[
    CHAT,
    EMBEDDINGS,
    '/v1/models',
    '/v1/models/deepseek-chat',
    '/v1/models/%00',
    '/v1/models/%F0%9F',
    '/v1/%zz',
  ],
  ...['/v1/generations/x', '/api/user/self', '/api/usage/token', '/v1/dashboard/billing/subscription'],
  ...['/dashboard/billing/usage?start_date=x&end_date=', '/v1/dashboard/billing/usage?start_date=2024-13-45'],
  ...[
    '/',
    '//',
    '/v1',
    '/v1/',
    '/v1//models',
    '/v1/../models',
    '/v1/responses',
    '*',
    'http://evil/v1/models',
    'evil:443',
  ],
  ...[
    `/${'a'.repeat(9_000)}`,
    '/v1/models?limit=-1&after=%27%20OR%201=1',
    '/v1/models#x',
    '/v1/models/\\..\\x',
    ' ',
  ],
];
const VERSIONS = [
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/0.9',
  'HTTP/2.0',
  'HTTP/1.2',
  'http/1.1',
  '',
];
const HEADERS = [
  ...[
    'Host',
    'Content-Length',
    'Transfer-Encoding',
    'Authorization',
    'Content-Type',
    'Content-Encoding',
    'Expect',
  ],
  ...[
    'Connection',
    'Upgrade',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Range',
    'If-None-Match',
    'Cookie',
    'Origin',
    'Accept',
  ],
  ...[
    'X-Client-Request-Id',
    'X-Request-Id',
    'Idempotency-Key',
    'traceparent',
    'tracestate',
    'X-Forwarded-For',
  ],
  ...[
    'X-Stainless-Timeout',
    'X-Stainless-Read-Timeout',
    'x-tunan-timeout',
    'x-tunan-strict-params',
    'x-tunan-fault',
  ],
  ...[
    'Access-Control-Request-Headers',
    'Access-Control-Request-Method',
    'x-tunan-request-id',
    '__proto__',
    'constructor',
  ],
];
const VALUES = [
  ...[
    '',
    '0',
    '-1',
    '5',
    '999999999999999999999',
    '1e9',
    'chunked',
    'gzip',
    'identity',
    'close',
    'keep-alive',
    'x',
  ],
  ...[
    '100-continue',
    'websocket',
    'h2c',
    'true',
    'application/json',
    'application/json; charset=utf-16',
    'text/plain',
  ],
  ...[
    'Bearer',
    'Bearer x',
    'Basic dTpw',
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    '::1',
    '1.2.3.4',
  ],
  ...[
    'a,b',
    '"',
    '\\',
    'é',
    'a'.repeat(5_000),
    `${'a'.repeat(16_000)}`,
    "'; DROP TABLE account; --",
    '\t',
    ' x ',
  ],
];

const headerLine = fc
  .record({
    name: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...HEADERS) },
      { weight: 1, arbitrary: fc.string({ maxLength: 20 }) },
    ),
    separator: fc.constantFrom(': ', ': ', ': ', ': ', ':', ' : ', ':\t', '', '='),
    value: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...VALUES) },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
    ),
    end: fc.constantFrom('\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\n ', ''),
  })
  .map(({ name, separator, value, end }) => `${name}${separator}${value}${end}`);

/** Head of a right request to `path`; the body's framing comes after it. */
const head = (path: string, authorization: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${authorization}`;

const withLength = (lines: string, body: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${lines}Content-Length: ${body.length}\r\n\r\n`, 'latin1'), body]);

const chunk = (bytes: Buffer, extension: string): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}${extension}\r\n`), bytes, Buffer.from('\r\n')]);

const inChunks = (body: Buffer, size: number, extension: string): Buffer => {
  const chunks: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) chunks.push(chunk(body.subarray(at, at + size), extension));
  return Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')]);
};

const pathOf = ({ embeddings }: { embeddings: boolean }): string => (embeddings ? EMBEDDINGS : CHAT);

/** Authorization lines: mostly of keys that work, each used only so often that its limits are not what is met. */
const authorization = (keys: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...keys).map((key) => `Authorization: Bearer ${key}\r\n`) },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom('', `Authorization: Bearer ${generateApiKey()}\r\n`, 'Authorization: Bearer sk-x\r\n')
        .map((line) => line + forwardedFor()),
    },
  );

/**
 * Inputs that begin as right requests and are then damaged: in members of the body, in its bytes, in header lines, in
 * the request line, in the framing, everywhere at once; and some that never were requests.
 */
export const fuzzInput = (keys: readonly string[]): fc.Arbitrary<FuzzInput> => {
  const key = authorization(keys);
  const members = fc
    .tuple(changedBody, key)
    .map(([body, line]) => withLength(head(pathOf(body), line), Buffer.from(body.text)));
  const text = fc
    .tuple(changedBody, key, damage(3))
    .map(([body, line, hurt]) => withLength(head(pathOf(body), line), hurt(Buffer.from(body.text))));
  const headers = fc
    .tuple(changedBody, key, fc.array(headerLine, { minLength: 1, maxLength: 4 }))
    .map(([body, line, lines]) =>
      withLength(head(pathOf(body), line) + lines.join(''), Buffer.from(body.text)),
    );
  const requestLine = fc
    .tuple(fc.constantFrom(...METHODS), fc.constantFrom(...TARGETS), fc.constantFrom(...VERSIONS), key)
    .map(([method, target, version, line]) =>
      Buffer.from(`${method} ${target} ${version}\r\nHost: a\r\n${line}\r\n`, 'latin1'),
    );
  const chunked = (hurt: fc.Arbitrary<(bytes: Buffer) => Buffer>): fc.Arbitrary<Buffer> =>
    fc
      .tuple(
        changedBody,
        key,
        fc.integer({ min: 1, max: 64 }),
        fc.constantFrom('', '', ';a=b', ';"', ' ', ';x=\t'),
        hurt,
      )
      .map(([body, line, size, extension, hurtBytes]) => {
        const start = `${head(pathOf(body), line)}Transfer-Encoding: chunked\r\n\r\n`;
        const framed = inChunks(Buffer.from(body.text), size, extension);
        return Buffer.concat([Buffer.from(start, 'latin1'), hurtBytes(framed)]);
      });
  const anywhere = fc.tuple(members, damage(4)).map(([bytes, hurt]) => hurt(bytes));
  const pipelined = fc.tuple(requestLine, members, anywhere).map((parts) => Buffer.concat(parts));
  const noise = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((array) => Buffer.from(array));
  const named = (kind: string, weight: number, bytes: fc.Arbitrary<Buffer>, whole = false) => ({
    weight,
    arbitrary: bytes.map((value) => ({ kind, whole, bytes: value })),
  });
  return fc.oneof(
    named('members', 30, members, true),
    named('text', 20, text, true),
    named('headers', 15, headers),
    named('request line', 10, requestLine),
    named('chunks', 5, chunked(fc.constant((bytes) => bytes)), true),
    named('damaged chunks', 5, chunked(damage(2))),
    named('anywhere', 10, anywhere),
    named('pipelined', 3, pipelined),
    named('noise', 2, noise),
  );
};
