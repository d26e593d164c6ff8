import { gzipSync } from 'node:zlib';
import {
  bodyCase,
  chatCase,
  invalidJson,
  invalidValue,
  request,
  rightChat,
  served,
  unsupportedType,
  type HostileCase,
} from '../hostile-case.js';

const right = JSON.stringify(rightChat);
const inside = (member: string): string => right.replace('{', `{${member},`);
const nested = (levels: number): string => inside(`"x":${'['.repeat(levels)}${']'.repeat(levels)}`);
const MIB = 1024 * 1024;

/** Members whose names are a MiB each. */
const longNames = (count: number): string =>
  Array.from({ length: count }, (_, index) => `"${String.fromCharCode(65 + index).repeat(MIB)}":0`).join();

const chunked = (key: string): string =>
  `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\n` +
  'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';

const tooLarge = { status: 413, code: 'request_too_large', closes: true };

const typed = (row: number, contentType: string | null, lines = ''): HostileCase => ({
  row,
  name: `Content-Type ${contentType}, ${lines.trim() || 'no coding'}`,
  send: ({ key }) => [request({ key, contentType, lines, body: lines === '' ? right : gzipSync(right) })],
  expect: [unsupportedType],
});

/** What comes as a body: not JSON, not one reading of it, too deep, too large, of another type. */
export const JSON_BODIES: readonly HostileCase[] = [
  bodyCase(1, 'nothing', '', invalidJson),
  bodyCase(2, 'JSON that ends early', right.slice(0, -1), invalidJson),
  ...['[]', 'null', '"x"', '5', 'true'].map((body) => bodyCase(3, body, body, invalidJson)),
  ...[inside('"x":NaN'), inside('"x":Infinity'), `${right}// x`, inside('"x":[1,]'), inside("'x':1")].map(
    (body) => bodyCase(4, body.slice(0, 16), body, invalidJson),
  ),
  bodyCase(5, 'bytes that are not UTF-8', Buffer.from(right.replace('Hi', 'H\xff'), 'latin1'), invalidJson),
  bodyCase(5, 'an overlong slash', Buffer.from(right.replace('Hi', '\xc0\xaf'), 'latin1'), invalidJson),
  bodyCase(6, 'a byte order mark', `\ufeff${right}`, served),
  bodyCase(7, 'half a surrogate pair', right.replace('Hi', '\\ud800'), served),
  bodyCase(8, 'NUL in content', right.replace('Hi', 'a\\u0000b'), invalidValue('messages[0].content')),
  chatCase(8, 'NUL in user', { user: 'a\u0000' }, invalidValue('user')),
  chatCase(8, 'NUL in metadata', { metadata: { k: '\u0000' } }, invalidValue('metadata.k')),
  bodyCase(8, 'a NUL byte', right.replace('Hi', 'a\u0000b'), invalidJson),
  bodyCase(9, 'model twice', inside('"model":"qwen3.7-max"'), invalidJson),
  bodyCase(9, 'role twice', right.replace('"role"', '"role":"system","role"'), invalidJson),
  bodyCase(10, '__proto__', inside('"__proto__":{"stream":true}'), invalidJson),
  bodyCase(10, '__proto__ escaped', inside('"\\u005f\\u005fproto__":{}'), invalidJson),
  bodyCase(10, 'constructor.prototype', inside('"constructor":{"prototype":{"admin":1}}'), invalidJson),
  ...[65, 5_000, 100_000].map((levels) => bodyCase(11, `${levels} arrays`, nested(levels), invalidJson)),
  bodyCase(11, '20 MiB of brackets', '['.repeat(20 * MIB), invalidJson),
  bodyCase(
    12,
    '100,000 members',
    JSON.stringify({
      ...rightChat,
      ...Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, 0])),
    }),
    invalidJson,
  ),
  bodyCase(12, '18 members with names of 1 MiB', inside(longNames(18)), served),
  bodyCase(12, '20 members with names of 1 MiB', inside(longNames(20)), tooLarge),
  bodyCase(12, 'ten million items', inside(`"x":[${'0,'.repeat(9 * MIB)}0]`), invalidJson),
  {
    row: 13,
    name: 'a body that announces too much',
    send: ({ key }) => [request({ key, lines: `Content-Length: ${20 * MIB + 1}\r\n` })],
    expect: [tooLarge],
  },
  {
    row: 14,
    name: 'a body in chunks that becomes too much',
    send: ({ key }) => [chunked(key), ...Array<string>(21).fill(`100000\r\n${' '.repeat(MIB)}\r\n`)],
    expect: [tooLarge],
  },
  typed(15, 'application/json', 'Content-Encoding: gzip\r\n'),
  typed(15, 'application/json', 'Content-Encoding: identity, gzip\r\n'),
  {
    row: 16,
    name: 'a gzip bomb',
    send: ({ key }) => [
      request({ key, lines: 'Content-Encoding: gzip\r\n', body: gzipSync(Buffer.alloc(64 * MIB)) }),
    ],
    expect: [unsupportedType],
  },
  typed(17, 'text/plain'),
  typed(18, null),
  typed(19, 'application/json; charset=utf-16'),
  typed(19, 'application/json; charset=iso-8859-1'),
  typed(20, 'multipart/form-data; boundary=x'),
];
