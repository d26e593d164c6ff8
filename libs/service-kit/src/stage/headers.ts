import type { IncomingHttpHeaders } from 'node:http';
import type { Exchange, Operation, Served, Target } from '@tunan/contracts';
import { Fault, uuidv7, type Clock } from '@tunan/kernel';

/** Path of each operation below a stage's base path: a stage is an OpenAI-compatible server. */
export const OPERATION_PATHS: Readonly<Record<Operation, string>> = {
  chat: '/v1/chat/completions',
  embeddings: '/v1/embeddings',
};

/** Path by which a caller says that its client went away, without giving up the answer. */
export const abandonPath = (stage: string, requestId: string): string => `/${stage}/exchanges/${requestId}`;

/** Longest life of an exchange whose caller names no deadline, in milliseconds. */
const DEADLINE_MS_DEFAULT = 600_000;
const CEILING_DEFAULT = 4_096;

/** Asks for parameters to be sent as they were given, or not at all. */
const STRICT_HEADER = 'x-tunan-strict-params';

/** The facts of an exchange that are not in its body, as request headers. */
export const encodeExchangeHeaders = (exchange: Exchange, clock: Clock): Record<string, string> => ({
  'content-type': 'application/json',
  'x-request-id': exchange.requestId,
  'x-tunan-framing': '1',
  'x-tunan-ceiling': String(exchange.ceiling),
  'x-tunan-include-usage': String(exchange.includeUsage),
  'x-tunan-deadline-ms': String(Math.max(1, Math.floor(exchange.deadlineMs - clock.monotonicMs()))),
  'x-tunan-account': exchange.caller.accountId,
  'x-tunan-tier': exchange.caller.tier,
  ...(exchange.strictParameters ? { [STRICT_HEADER]: 'true' } : {}),
  ...(exchange.target === undefined
    ? {}
    : { 'x-tunan-target': encodeURIComponent(JSON.stringify(exchange.target)) }),
  ...(exchange.traceparent === undefined ? {} : { traceparent: exchange.traceparent }),
});

const one = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
};

const positive = (text: string | undefined, fallback: number): number => {
  const value = Number(text);
  return text !== undefined && Number.isSafeInteger(value) && value > 0 ? value : fallback;
};

/** The id of an exchange that arrives: known before its body. */
export const exchangeId = (headers: IncomingHttpHeaders): string => one(headers, 'x-request-id') ?? uuidv7();

/** What an exchange that arrived at a stage has beside its headers. */
export interface ExchangeBody {
  readonly requestId: string;
  readonly operation: Operation;
  readonly body: Exchange['body'];
  readonly signal: AbortSignal;
}

/**
 * Rebuilds an exchange. Headers that are missing take defaults, so that a stage can be driven with an OpenAI SDK alone.
 * @throws Fault `invalid_value` for a target that can't be read
 */
export const decodeExchange = (headers: IncomingHttpHeaders, parts: ExchangeBody, clock: Clock): Exchange => {
  const { body } = parts;
  const options = body['stream_options'] as { include_usage?: boolean } | null | undefined;
  const asked = (body['max_completion_tokens'] ?? body['max_tokens']) as number | undefined;
  const includeUsage = one(headers, 'x-tunan-include-usage');
  return {
    ...parts,
    stream: body['stream'] === true,
    ceiling: positive(one(headers, 'x-tunan-ceiling'), asked ?? CEILING_DEFAULT),
    includeUsage: includeUsage === undefined ? options?.include_usage === true : includeUsage === 'true',
    strictParameters: one(headers, STRICT_HEADER) === 'true',
    deadlineMs: clock.monotonicMs() + positive(one(headers, 'x-tunan-deadline-ms'), DEADLINE_MS_DEFAULT),
    traceparent: one(headers, 'traceparent'),
    caller: {
      accountId: one(headers, 'x-tunan-account') ?? 'none',
      tier: one(headers, 'x-tunan-tier') === 'paid' ? 'paid' : 'free',
    },
    target: decodeTarget(one(headers, 'x-tunan-target')),
  };
};

const decodeTarget = (text: string | undefined): Target | undefined => {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(decodeURIComponent(text)) as Target;
  } catch (cause) {
    throw new Fault('invalid_value', 'x-tunan-target is not readable.', { cause });
  }
};

/** What served the request, as response headers. */
export const encodeServedHeaders = (served: Served): Record<string, string> => ({
  'x-tunan-provider': served.provider,
  'x-tunan-upstream-model': served.upstreamModel,
  'x-tunan-channel': served.channel,
  'x-tunan-attempts': String(served.attempts),
  'x-tunan-fallback': String(served.fallback),
  ...(served.adapted === undefined ? {} : { 'x-tunan-adapted': served.adapted }),
});

/** Reads {@link encodeServedHeaders} back. */
export const decodeServed = (headers: Readonly<Record<string, string | string[] | undefined>>): Served => ({
  provider: text(headers['x-tunan-provider']),
  upstreamModel: text(headers['x-tunan-upstream-model']),
  channel: text(headers['x-tunan-channel']),
  attempts: positive(text(headers['x-tunan-attempts']), 1),
  fallback: headers['x-tunan-fallback'] === 'true',
  ...(headers['x-tunan-adapted'] === undefined ? {} : { adapted: text(headers['x-tunan-adapted']) }),
});

const text = (value: string | string[] | undefined): string =>
  (Array.isArray(value) ? value[0] : value) ?? 'unknown';
