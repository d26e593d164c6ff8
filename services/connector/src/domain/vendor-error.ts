import { FAULTS, Fault, type FaultCode } from '@tunan/kernel';

/** A failure in a vendor's words, wherever it stood: status line, error body, or a frame of a stream that began well. */
export interface VendorError {
  /** HTTP status; 200 for a failure inside an answer. */
  readonly status: number;
  /** The vendor's codes as text; '' where there is none. Never portable between vendors. */
  readonly code: string;
  readonly type: string;
  readonly message: string;
}

/** What a vendor's error means here. */
export interface Verdict {
  readonly code: FaultCode;
  /** How long the credential has to rest where the vendor does not say it itself. */
  readonly retryAfterMs?: number;
}

/** Reads a vendor's error. Undefined: the status alone decides. */
export type Classify = (error: VendorError) => Verdict | FaultCode | undefined;

/** A vendor's message in our logs: enough to know it by, too short to repeat much of a prompt. */
const MESSAGE_CHARS_MAX = 200;
/** Vendors may ask for a rest of hours; a channel is probed again sooner. */
const RETRY_AFTER_MS_MAX = 600_000;
/** A window may be over in days, or be opened sooner by a larger plan: a probe each hour finds out. */
const WINDOW_MS_MAX = 3_600_000;
const BY_STATUS: Readonly<Record<number, FaultCode>> = {
  401: 'upstream_auth',
  402: 'upstream_quota',
  403: 'upstream_forbidden',
  404: 'upstream_model_missing',
  408: 'upstream_timeout',
  413: 'request_too_large',
  429: 'upstream_rate_limited',
  503: 'upstream_overloaded',
  504: 'upstream_timeout',
  529: 'upstream_overloaded',
};

/** What a failure means by its status alone. A failure inside an answer that nobody knows is the vendor's. */
const byStatus = (status: number): FaultCode =>
  BY_STATUS[status] ?? (status >= 400 && status < 500 ? 'upstream_rejected' : 'upstream_error');

/**
 * What a caller may read about each fault of this stage. Vendor texts are never passed on: they name vendors, echo key
 * tails and carry request ids.
 */
const PUBLIC_MESSAGES: Partial<Record<FaultCode, string>> = {
  invalid_value: 'The model does not accept a value of this request.',
  context_length_exceeded:
    'The prompt and the output asked for are longer than the context window of the model.',
  content_filter: 'The request was refused by the content filter of the model.',
  request_too_large: 'The request is larger than the model accepts.',
  upstream_error: 'The provider of the model failed. Please retry.',
  upstream_stream_cut: 'The answer was cut off by the provider of the model.',
  upstream_overloaded: 'The provider of the model is overloaded. Please retry.',
  upstream_timeout: 'The provider of the model did not answer in time.',
  deadline_exceeded: 'The answer was not complete within the time that the request allows.',
  structured_output_failed:
    'The model did not answer in the form that was asked for. The request was not charged. Please retry.',
  upstream_rejected: 'The provider of the model refused the request.',
  upstream_forbidden: 'The provider of the model refused the request.',
};
const UNAVAILABLE = 'The model is not available at the moment. Please retry.';

/** Parameters whose names are the same in a vendor's message and in the client's request. */
const PARAMETERS =
  /\b(max_tokens|max_completion_tokens|temperature|top_p|stop|tools|tool_choice|response_format|top_logprobs|logprobs|presence_penalty|frequency_penalty|seed|dimensions|messages|input)\b/;

/**
 * Builds the fault of one provider's failure.
 * @param heard what was said beside the error, and when by the wall clock
 */
export const vendorFault = (
  provider: string,
  error: VendorError,
  classify: Classify,
  heard: { readonly retryAfterMs?: number | undefined; readonly nowMs?: number } = {},
): Fault => {
  const verdict = classify(error) ?? byStatus(error.status);
  const { code, retryAfterMs: restMs } = typeof verdict === 'string' ? { code: verdict } : verdict;
  const isWindow = code === 'upstream_quota_window';
  const resetMs = isWindow ? readReset(error.message, heard.nowMs) : undefined;
  const longestMs = isWindow ? WINDOW_MS_MAX : RETRY_AFTER_MS_MAX;
  const pauseMs = FAULTS[code].owner === 'client' ? undefined : (heard.retryAfterMs ?? resetMs ?? restMs);
  const param = paramOf(code, error.message);
  return providerFault(
    code,
    `${provider} ${error.status} ${error.code || error.type}: ${redact(error.message)}`,
    {
      ...(pauseMs === undefined ? {} : { retryAfterMs: Math.min(pauseMs, longestMs) }),
      ...(param === undefined ? {} : { param }),
    },
  );
};

/** A fault of this stage with its public text. `internal` is for logs. */
export const providerFault = (
  code: FaultCode,
  internal: string,
  options: { readonly retryAfterMs?: number; readonly param?: string; readonly cause?: unknown } = {},
): Fault => {
  const message =
    code === 'invalid_value' && options.param !== undefined
      ? `Invalid value for '${options.param}'.`
      : (PUBLIC_MESSAGES[code] ?? UNAVAILABLE);
  return new Fault(code, message, { ...options, internal });
};

const paramOf = (code: FaultCode, message: string): string | undefined => {
  if (code === 'context_length_exceeded') return 'messages';
  return code === 'invalid_value' ? PARAMETERS.exec(message)?.[1] : undefined;
};

/** Shortens a vendor's text for logs and takes out what looks like a part of a key. */
const redact = (message: string): string =>
  message
    .slice(0, MESSAGE_CHARS_MAX)
    .replaceAll(/\b(?:sk|Bearer)[-\s][\w.-]{6,}/g, '[key]')
    .replaceAll(/\*{2,}[\w.-]*/g, '[key]');

/**
 * Reads an error body. Vendors send JSON, JSON behind a `data:` of a stream that never began, plain text, or the HTML
 * of a proxy before them.
 */
export const readErrorBody = (status: number, body: string): VendorError => {
  const text = body.replace(/^\uFEFF?\s*(?:data:\s*)?/, '').trimEnd();
  try {
    const value: unknown = JSON.parse(text);
    const error = typeof value === 'object' && value !== null ? readErrorObject(status, value) : null;
    if (error !== null) return error;
  } catch {
    // Not JSON: the text is the message.
  }
  return { status, code: '', type: '', message: text };
};

/** The error that a JSON object is or has as its `error` member; null if it is none. */
export const readErrorObject = (status: number, value: object): VendorError | null => {
  const outer = value as Record<string, unknown>;
  const inner = outer['error'] ?? (outer['code'] == null && outer['message'] == null ? null : outer);
  if (inner == null) return null;
  if (typeof inner !== 'object') return { status, code: '', type: '', message: String(inner) };
  const { code, type, message } = inner as Record<string, unknown>;
  return { status, code: text(code), type: text(type), message: text(message) };
};

const text = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';

/**
 * Milliseconds of a `Retry-After` header, seconds or an HTTP date; undefined if there is none that can be read.
 * @param nowMs wall clock, for dates
 */
export const readRetryAfter = (value: string | undefined, nowMs: number): number | undefined => {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
  if (!/^[A-Z][a-z]{2}, /.test(value)) return undefined;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
};

const RESET_AT = /(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})\s?(Z|[+-]\d{2}:\d{2})?/;
const RESET_IN = /\breset\w* in (\d{1,5}) (second|minute|hour|day)/i;
const UNIT_MS: Readonly<Record<string, number>> = {
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
};

/**
 * Milliseconds until a window opens again, as a vendor's message has it: a date, Beijing's where it names no zone, or
 * "resets in 5 hours"; undefined if it has neither, or the date is over.
 * @param nowMs wall clock; without it only durations are read
 */
export const readReset = (message: string, nowMs: number | undefined): number | undefined => {
  const [, count, unit] = RESET_IN.exec(message) ?? [];
  if (unit !== undefined) return Number(count) * UNIT_MS[unit.toLowerCase()]!;
  const [, day, time, zone = '+08:00'] = RESET_AT.exec(message) ?? [];
  if (day === undefined || nowMs === undefined) return undefined;
  const leftMs = Date.parse(`${day}T${time}${zone}`) - nowMs;
  return leftMs > 0 ? leftMs : undefined;
};
