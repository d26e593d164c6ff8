import { randomInt } from 'node:crypto';

/** Whom the cases act as. */
export interface Actors {
  /** A key that works, with plenty of credit and wide limits. */
  readonly key: string;
  /** May use `qwen3.5-flash` only. */
  readonly restrictedKey: string;
  readonly revokedKey: string;
  readonly expiredKey: string;
  /** Well formed, of nobody. */
  readonly unknownKey: string;
  /** Of an account whose credit does not reach. */
  readonly poorKey: string;
  /** Of an account that has exactly nothing. */
  readonly pennilessKey: string;
  readonly suspendedKey: string;
  readonly unverifiedKey: string;
}

/** What an answer must be. */
export interface Expected {
  readonly status: number;
  /** The error's `code`; absent for a success. */
  readonly code?: string | number;
  /** The error's `param`, null unless given. */
  readonly param?: string;
  /** The connection ends after it. */
  readonly closes?: boolean;
  readonly headers?: Readonly<Record<string, RegExp>>;
  /** Headers that must not be there. */
  readonly without?: readonly string[];
}

/** One hostile input, as data. */
export interface HostileCase {
  /** Number in the list of bad input that the platform promises to withstand. */
  readonly row: number;
  readonly name: string;
  /** The bytes, in the parts in which they are sent. */
  readonly send: (actors: Actors) => readonly (string | Buffer)[];
  /** One answer each, in order. */
  readonly expect: readonly Expected[];
  /** Upstream calls that it makes, none unless given. */
  readonly calls?: number;
  /** Further demands on the last answer; throws if they are not met. */
  readonly check?: (body: string) => void;
}

export const CHAT = '/v1/chat/completions';
export const EMBEDDINGS = '/v1/embeddings';

/** A chat that is right in every member, and cheap. */
export const rightChat = {
  model: 'deepseek-chat',
  messages: [{ role: 'user', content: 'Hi' }],
  max_tokens: 5,
} as const;

export interface RequestParts {
  readonly method?: string;
  readonly path?: string;
  readonly key?: string;
  /** Header lines after Host, each with its end; of the usual ones only what is not given otherwise. */
  readonly lines?: string;
  readonly contentType?: string | null;
  readonly body?: string | Buffer;
}

/** Each anonymous client has an address of its own behind the trusted proxy, so that none uses up another's failures. */
export const forwardedFor = (): string =>
  `X-Forwarded-For: 198.${randomInt(18, 20)}.${randomInt(256)}.${randomInt(1, 255)}\r\n`;

/** The bytes of a request with a right head. */
export const request = ({
  method = 'POST',
  path = CHAT,
  key,
  lines = '',
  contentType = 'application/json',
  body,
}: RequestParts): Buffer => {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const head =
    `${method} ${path} HTTP/1.1\r\nHost: api.example.com\r\n` +
    (key === undefined ? forwardedFor() : `Authorization: Bearer ${key}\r\n`) +
    (contentType === null ? '' : `Content-Type: ${contentType}\r\n`) +
    lines +
    (bytes === undefined ? '' : `Content-Length: ${bytes.length}\r\n`);
  return Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), bytes ?? Buffer.alloc(0)]);
};

/** A case whose only fault is its body. */
export const bodyCase = (
  row: number,
  name: string,
  body: string | Buffer,
  expected: Expected,
  path = CHAT,
): HostileCase => ({
  row,
  name,
  send: ({ key }) => [request({ key, path, body })],
  expect: [expected],
  calls: expected.status === 200 ? 1 : 0,
});

/** A chat whose only fault is some of its members. */
export const chatCase = (row: number, name: string, members: object, expected: Expected): HostileCase =>
  bodyCase(row, name, JSON.stringify({ ...rightChat, ...members }), expected);

export const served: Expected = { status: 200 };
export const invalidJson: Expected = { status: 400, code: 'invalid_json' };
export const invalidValue = (param?: string): Expected => ({
  status: 400,
  code: 'invalid_value',
  ...(param === undefined ? {} : { param }),
});
export const missing = (param: string): Expected => ({
  status: 400,
  code: 'missing_required_parameter',
  param,
});
export const unsupportedType: Expected = { status: 415, code: 'unsupported_media_type' };
/** Bytes that are no HTTP request. */
export const notHttp: Expected = { status: 400, code: 'invalid_value', closes: true };
