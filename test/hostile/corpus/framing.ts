import {
  CHAT,
  notHttp,
  request,
  rightChat,
  served,
  type Actors,
  type Expected,
  type HostileCase,
} from '../hostile-case.js';

const body = JSON.stringify(rightChat);
const size = Buffer.byteLength(body);
const hexSize = size.toString(16);
const head = ({ key }: Actors): string =>
  `POST ${CHAT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const SECOND = 'GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n';

/** A chat of the account whose framing is at fault; a second request is hidden behind it. */
const framed = (
  row: number,
  name: string,
  lines: string,
  content: string,
  expected: Expected = notHttp,
): HostileCase => ({
  row,
  name,
  send: (actors) => [`${head(actors)}${lines}\r\n${content}`],
  expect: [expected],
});

const raw = (row: number, name: string, text: string | Buffer, ...expect: Expected[]): HostileCase => ({
  row,
  name,
  send: () => [text],
  expect,
});

const get = (row: number, name: string, path: string, expected: Expected, lines = ''): HostileCase => ({
  row,
  name,
  send: ({ key }) => [request({ method: 'GET', path, key, lines, contentType: null })],
  expect: [expected],
});

const oneByteChunks = (): string => [...body].map((char) => `1\r\n${char}\r\n`).join('');
const headersTooLarge: Expected = { status: 431, code: 'request_too_large', closes: true };
const notFound: Expected = { status: 404, code: 'not_found' };
const wrongMethod = (allow: RegExp): Expected => ({
  status: 405,
  code: 'method_not_allowed',
  headers: { allow },
});

/** How a message is put on the wire, and what could be taken for another one. */
export const FRAMING: readonly HostileCase[] = [
  framed(60, 'a length and chunks', `Content-Length: ${size}\r\n${CHUNKED}`, `0\r\n\r\n${SECOND}`),
  framed(60, 'chunks and a length', `${CHUNKED}Content-Length: 5\r\n`, `0\r\n\r\n${SECOND}`),
  framed(61, 'two equal lengths', `Content-Length: ${size}\r\n`.repeat(2), body),
  framed(61, 'two different lengths', `Content-Length: ${size}\r\nContent-Length: 5\r\n`, body),
  ...['+5', '-5', '5,5', '5 5', '0x5', '', '5;', '99999999999999999999'].map((length) =>
    framed(62, `Content-Length ${length}`, `Content-Length: ${length}\r\n`, body),
  ),
  ...['xchunked', 'chunked, identity', 'gzip, chunked', 'chunked, chunked', 'identity', '"chunked"'].map(
    (coding) =>
      framed(63, `Transfer-Encoding ${coding}`, `Transfer-Encoding: ${coding}\r\n`, `0\r\n\r\n${SECOND}`),
  ),
  {
    ...framed(63, 'chunks in HTTP/1.0', '', ''),
    send: (actors) => [
      `${head(actors).replace('HTTP/1.1', 'HTTP/1.0')}${CHUNKED}\r\n${hexSize}\r\n${body}\r\n0\r\n\r\n`,
    ],
  },
  framed(63, 'a space before the colon', 'Transfer-Encoding : chunked\r\n', `0\r\n\r\n${SECOND}`),
  ...['ZZ', '-5', '0x5', '5 5', 'ffffffffffffffffff', ''].map((chunk) =>
    framed(64, `chunk size ${chunk}`, CHUNKED, `${chunk}\r\nhello\r\n0\r\n\r\n`),
  ),
  framed(64, 'a chunk without its end', CHUNKED, `${hexSize}\r\n${body}XX0\r\n\r\n`),
  framed(64, 'a chunk extension of 1 MiB', CHUNKED, `5;${'a'.repeat(1024 * 1024)}\r\nhello\r\n0\r\n\r\n`),
  framed(
    64,
    'trailers of 100 KB',
    CHUNKED,
    `${hexSize}\r\n${body}\r\n0\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`,
    headersTooLarge,
  ),
  {
    ...framed(
      64,
      'trailers that claim a key',
      CHUNKED,
      `${hexSize}\r\n${body}\r\n0\r\nAuthorization: x\r\n\r\n`,
      served,
    ),
    calls: 1,
  },
  {
    row: 64,
    name: 'chunks of one byte, a million of them',
    send: (actors) => [
      `${head(actors)}${CHUNKED}\r\n`,
      ...Array<string>(100).fill('1\r\n \r\n'.repeat(10_000)),
      oneByteChunks(),
      '0\r\n\r\n',
    ],
    expect: [served],
    calls: 1,
  },
  raw(65, 'line ends without CR', 'GET /v1/models HTTP/1.1\nHost: a\n\n', notHttp),
  raw(65, 'a folded header', 'GET /v1/models HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n', notHttp),
  raw(65, 'a NUL in a header', 'GET /v1/models HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n', notHttp),
  raw(65, 'a header without a name', 'GET /v1/models HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n', notHttp),
  raw(66, 'no Host', 'GET /v1/models HTTP/1.1\r\n\r\n', notHttp),
  raw(66, 'two Hosts', 'GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', notHttp),
  raw(67, 'HTTP/0.9', 'GET /v1/models\r\n\r\n', notHttp),
  raw(67, 'HTTP/2 by prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', notHttp),
  raw(67, 'a TLS hello', Buffer.from('160301020001000001fc0303', 'hex'), notHttp),
  raw(67, 'HTTP/3.0', 'GET /v1/models HTTP/3.0\r\nHost: a\r\n\r\n', notHttp),
  raw(
    68,
    'a header of 17 KB',
    `GET /v1/models HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(17_000)}\r\n\r\n`,
    headersTooLarge,
  ),
  raw(68, 'a URL of 9 KB', `GET /v1/${'a'.repeat(9_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, {
    status: 414,
    code: 'request_too_large',
    closes: true,
  }),
  raw(68, 'a URL of 17 KB', `GET /v1/${'a'.repeat(17_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, headersTooLarge),
  raw(
    68,
    '1,500 headers',
    `GET /v1/models HTTP/1.1\r\nHost: a\r\n${'a: b\r\n'.repeat(1_500)}\r\n`,
    headersTooLarge,
  ),
  raw(69, 'another authority', 'GET http://169.254.169.254/v1/models HTTP/1.1\r\nHost: a\r\n\r\n', notHttp),
  raw(69, 'CONNECT', 'CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n', {
    ...wrongMethod(/GET/),
    closes: true,
  }),
  raw(
    69,
    'TRACE',
    `TRACE ${CHAT} HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n`,
    wrongMethod(/^POST, OPTIONS$/),
  ),
  raw(69, 'an unknown method', `FOO ${CHAT} HTTP/1.1\r\nHost: a\r\n\r\n`, notHttp),
  raw(69, 'a target that is no path', 'GET v1/models HTTP/1.1\r\nHost: a\r\n\r\n', notHttp),
  ...['GET', 'PUT', 'DELETE', 'PATCH', 'PROPFIND'].map((method): HostileCase => ({
    row: 70,
    name: `${method} on a path for POST`,
    send: ({ key }) => [request({ method, key, body })],
    expect: [wrongMethod(/^POST, OPTIONS$/)],
  })),
  get(71, 'a model without a name', '/v1/models/', { status: 404, code: 'model_not_found', param: 'model' }),
  get(71, 'a broken escape', '/v1/%zz', { status: 400, code: 'invalid_value' }),
  ...[
    '/v1/..;/admin',
    '//v1/models',
    '/V1/models',
    '/v1/../operator/v1/accounts',
    '/v1/%2e%2e/metrics',
    '/v1/models%00',
    '/metrics',
    '/operator/v1/accounts',
    '/v10/models',
  ].map((path) => get(71, path, path, notFound)),
  {
    row: 72,
    name: 'an unknown expectation',
    send: (actors) => [
      `${head(actors)}Expect: the-spanish-inquisition\r\nContent-Length: ${size}\r\n\r\n${body}`,
    ],
    expect: [{ status: 417, code: 'unsupported_expectation', closes: true }],
  },
  {
    row: 72,
    name: 'an expectation without a key',
    send: () => [request({ lines: `Expect: 100-continue\r\nContent-Length: ${size}\r\n` })],
    expect: [{ status: 401, code: 'missing_api_key', closes: true }],
  },
  get(
    73,
    'an upgrade to a web socket',
    '/v1/models',
    served,
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n',
  ),
  get(
    73,
    'an upgrade to HTTP/2',
    '/v1/models',
    served,
    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n',
  ),
  {
    row: 74,
    name: 'a second request without a key behind a right one',
    send: ({ key }) => [Buffer.concat([request({ key, body }), request({ body })])],
    expect: [served, { status: 401, code: 'missing_api_key' }],
    calls: 1,
  },
  {
    row: 74,
    name: 'garbage behind a right request',
    send: ({ key }) => [Buffer.concat([request({ key, body }), Buffer.from('\x00\x01\x02\r\n\r\n')])],
    expect: [served, notHttp],
    calls: 1,
  },
];
