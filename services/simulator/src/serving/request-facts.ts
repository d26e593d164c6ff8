import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { conversationShape, records } from '../domain/message.js';
import type { AcceptedEntry } from '../domain/served-entry.js';

/** Headers whose values the log keeps. */
const KEPT_HEADERS = [
  'accept',
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'traceparent',
  'transfer-encoding',
  'user-agent',
  'x-client-request-id',
  'x-dashscope-sse',
  'x-request-id',
  'x-tunan-request-id',
];
const CLIENT_ID_HEADERS = ['x-tunan-request-id', 'x-client-request-id', 'x-request-id'];
/** Members of a body that hold what a customer wrote. */
const CONTENT_MEMBERS = new Set(['messages', 'input']);
const VALUE_CHARS_MAX = 16_384;
const HEADER_CHARS_MAX = 512;
const MADE_UP_KEY = /^(sim-|bad)/;

/** The bearer key of a call, or undefined. */
export const bearerKey = (request: IncomingMessage): string | undefined =>
  /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];

/** A key as the log shows it: whole if it is made up for tests, else the start of its digest. */
const keyShown = (key: string | undefined): string | null => {
  if (key === undefined) return null;
  return MADE_UP_KEY.test(key)
    ? key.slice(0, 64)
    : createHash('sha256').update(key).digest('hex').slice(0, 12);
};

const kept = (value: unknown): unknown => {
  const json = JSON.stringify(value);
  if (json === undefined || json.length <= VALUE_CHARS_MAX) return value;
  return { chars: json.length, sha256: createHash('sha256').update(json).digest('hex') };
};

/** The parameters of a body: every member but the content. */
const parametersOf = (body: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(body)
      .filter(([name]) => !CONTENT_MEMBERS.has(name))
      .slice(0, 100)
      .map(([name, value]) => [name.slice(0, 64), kept(value)]),
  );

/** What the log says of a request's line and headers. */
export const requestFacts = (
  request: IncomingMessage,
): Pick<AcceptedEntry, 'clientRequestId' | 'method' | 'path' | 'headerNames' | 'headers' | 'key'> => {
  const { headers } = request;
  const named = (name: string): string | undefined => {
    const value = headers[name];
    return value === undefined ? undefined : String(value).slice(0, HEADER_CHARS_MAX);
  };
  return {
    clientRequestId: CLIENT_ID_HEADERS.map(named).find((value) => value !== undefined) ?? null,
    method: request.method ?? '',
    path: (request.url ?? '').slice(0, HEADER_CHARS_MAX),
    headerNames: Object.keys(headers).sort(),
    headers: Object.fromEntries(
      KEPT_HEADERS.flatMap((name) => {
        const value = named(name);
        return value === undefined ? [] : [[name, value]];
      }),
    ),
    key: keyShown(bearerKey(request)),
  };
};

/** What the log says of a request's body. */
export const bodyFacts = (
  body: Record<string, unknown> | undefined,
  bodyBytes: number,
): Pick<AcceptedEntry, 'bodyBytes' | 'model' | 'stream' | 'parameters' | 'conversation' | 'inputs'> => {
  const { model, stream, messages, input } = body ?? {};
  return {
    bodyBytes,
    model: typeof model === 'string' ? model.slice(0, HEADER_CHARS_MAX) : null,
    stream: stream === true,
    parameters: parametersOf(body ?? {}),
    conversation: Array.isArray(messages) ? conversationShape(records(messages)) : null,
    inputs: input === undefined ? null : Array.isArray(input) ? input.length : 1,
  };
};
