import {
  CHAT,
  forwardedFor,
  request,
  rightChat,
  served,
  type Actors,
  type Expected,
  type HostileCase,
} from '../hostile-case.js';

const body = JSON.stringify(rightChat);
const challenge = { 'www-authenticate': /^Bearer$/ };
const missing: Expected = { status: 401, code: 'missing_api_key', headers: challenge };
const invalid: Expected = { status: 401, code: 'invalid_api_key', headers: challenge };

const withHeader = (
  row: number,
  name: string,
  lines: (actors: Actors) => string,
  ...expect: Expected[]
): HostileCase => ({
  row,
  name,
  send: (actors) => [request({ lines: `${lines(actors)}`, body })],
  expect,
  calls: expect.filter(({ status }) => status === 200).length,
});

const keyed = (
  row: number,
  name: string,
  key: (actors: Actors) => string,
  expected: Expected,
  rest: { lines?: string; members?: object } = {},
): HostileCase => ({
  row,
  name,
  send: (actors) => [
    request({
      key: key(actors),
      lines: `${rest.lines ?? ''}${forwardedFor()}`,
      body: JSON.stringify({ ...rightChat, ...rest.members }),
    }),
  ],
  expect: [expected],
  calls: expected.status === 200 ? 1 : 0,
});

const asMe = ({ key }: Actors): string => key;
const ours = { 'x-request-id': /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/ };
const bearer = ({ key }: Actors, scheme = 'Bearer'): string => `Authorization: ${scheme} ${key}\r\n`;

/** Who is asking: no key, no key of ours, one that does not work any more, or one that may not spend. */
export const KEYS: readonly HostileCase[] = [
  withHeader(46, 'no Authorization', () => '', missing),
  withHeader(46, 'an empty Authorization', () => 'Authorization:\r\n', missing),
  withHeader(47, 'another scheme', () => 'Authorization: Basic dTpw\r\n', invalid),
  withHeader(47, 'another scheme with commas', () => 'Authorization: Digest a="b", c="d"\r\n', invalid),
  withHeader(47, 'a scheme alone', () => 'Authorization: Bearer\r\n', invalid),
  withHeader(47, 'two words', () => 'Authorization: Bearer  a b\r\n', invalid),
  withHeader(47, 'the scheme in lower case', (actors) => bearer(actors, 'bearer'), served),
  keyed(48, 'a wrong checksum', ({ key }) => `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`, invalid),
  keyed(48, 'a key of nobody', ({ unknownKey }) => unknownKey, invalid),
  keyed(48, 'a revoked key', ({ revokedKey }) => revokedKey, invalid),
  keyed(48, 'an expired key', ({ expiredKey }) => expiredKey, invalid),
  keyed(48, 'a key of somebody else’s platform', () => `sk-proj-${'A'.repeat(48)}`, invalid),
  {
    row: 49,
    name: 'a key in the query',
    send: ({ key }) => [request({ path: `${CHAT}?api_key=${key}`, body })],
    expect: [missing],
  },
  withHeader(50, 'two Authorization lines', (actors) => bearer(actors) + bearer(actors), {
    status: 400,
    code: 'invalid_value',
  }),
  withHeader(50, 'two schemes', (actors) => `Authorization: Basic dTpw\r\n${bearer(actors)}`, {
    status: 400,
    code: 'invalid_value',
  }),
  withHeader(51, 'a line end in the key', () => 'Authorization: Bearer sk-a\r\nX-Admin: 1\r\n', invalid),
  withHeader(51, 'a bare CR in the key', () => 'Authorization: Bearer sk-a\rb\r\n', {
    status: 400,
    code: 'invalid_value',
    closes: true,
  }),
  withHeader(51, 'a NUL in the key', () => 'Authorization: Bearer sk-a\0b\r\n', {
    status: 400,
    code: 'invalid_value',
    closes: true,
  }),
  withHeader(
    51,
    'an emoji in the key',
    () => `Authorization: Bearer sk-${Buffer.from('🔑').toString('latin1')}\r\n`,
    invalid,
  ),
  withHeader(51, 'a key of 10 kB', () => `Authorization: Bearer sk-${'a'.repeat(10_000)}\r\n`, invalid),
  withHeader(51, 'a key of 17 kB', () => `Authorization: Bearer sk-${'a'.repeat(17_000)}\r\n`, {
    status: 431,
    code: 'request_too_large',
    closes: true,
  }),
  keyed(52, 'no credit at all', ({ pennilessKey }) => pennilessKey, {
    status: 402,
    code: 402,
    headers: { 'x-should-retry': /^false$/ },
  }),
  keyed(
    52,
    'more than the credit',
    ({ poorKey }) => poorKey,
    {
      status: 402,
      code: 402,
      headers: { 'x-should-retry': /^false$/ },
    },
    { members: { max_tokens: 8_000 } },
  ),
  keyed(53, 'a suspended account', ({ suspendedKey }) => suspendedKey, {
    status: 403,
    code: 'account_suspended',
  }),
  keyed(53, 'an unverified account', ({ unverifiedKey }) => unverifiedKey, {
    status: 403,
    code: 'email_unverified',
  }),
  keyed(
    55,
    'a request id of 10 kB',
    asMe,
    { ...served, headers: ours, without: ['x-client-request-id'] },
    {
      lines: `X-Request-Id: ${'a'.repeat(5_000)}\r\nX-Client-Request-Id: ${'b'.repeat(5_000)}\r\n`,
    },
  ),
  keyed(
    55,
    'SQL as a request id',
    asMe,
    { ...served, headers: ours },
    { lines: "X-Request-Id: '; DROP TABLE account; --\r\n" },
  ),
  keyed(
    55,
    'a request id that ends its line',
    asMe,
    { ...served, headers: ours, without: ['x-evil'] },
    {
      lines: 'X-Client-Request-Id: a\r\nX-Evil: 1\r\n',
    },
  ),
  keyed(
    55,
    'a client request id with a space',
    asMe,
    { ...served, without: ['x-client-request-id'] },
    {
      lines: 'X-Client-Request-Id: a b\r\n',
    },
  ),
  keyed(56, 'trace context that is none', asMe, served, { lines: 'traceparent: 00-zz-1-01\r\n' }),
  keyed(56, 'a thousand trace states', asMe, served, {
    lines: `traceparent: 00-${'0'.repeat(32)}-${'0'.repeat(16)}-00\r\ntracestate: ${'a=1,'.repeat(1_000)}\r\n`,
  }),
  ...['-1', '1e9', 'abc', '99999999999999999999'].map((value) =>
    keyed(58, `X-Stainless-Timeout ${value}`, asMe, served, {
      lines: `X-Stainless-Timeout: ${value}\r\nX-Stainless-Read-Timeout: ${value}\r\nx-tunan-timeout: ${value}\r\n`,
    }),
  ),
];
