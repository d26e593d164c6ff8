import { FAULTS, type FaultCode } from '@tunan/kernel';
import type { Dialect } from '../domain/dialect.js';
import type { Classify, Verdict, VendorError } from '../domain/vendor-error.js';
import { vendorPhrases } from '../domain/vendor-phrases.js';

// Source: platform.minimax.io/docs (text-chat-openai, error codes, rate limits), 2026.

const LIMITED: Verdict = { code: 'upstream_rate_limited', retryAfterMs: 10_000 };
const LIMITED_LONGER: Verdict = { code: 'upstream_rate_limited', retryAfterMs: 60_000 };
/** A plan's window, where the message does not tell its end. */
const WINDOW: Verdict = { code: 'upstream_quota_window', retryAfterMs: 900_000 };

/** The same codes come with status 200, 4xx and 5xx, so they decide before the status. */
const BY_CODE: Readonly<Record<string, FaultCode | Verdict>> = {
  '1000': 'upstream_overloaded',
  '1001': 'upstream_overloaded',
  '1002': LIMITED,
  '1004': 'upstream_auth',
  '1008': 'upstream_quota',
  '1013': 'upstream_error',
  '1024': 'upstream_error',
  '1026': 'content_filter',
  '1027': 'content_filter',
  '1033': 'upstream_error',
  '1039': LIMITED_LONGER,
  '1041': LIMITED,
  '1042': 'invalid_value',
  '2013': 'invalid_value',
  '2045': LIMITED_LONGER,
  '2049': 'upstream_auth',
  '2056': WINDOW,
  '2061': 'upstream_model_missing',
  '2062': WINDOW,
};

const BY_TYPE: Readonly<Record<string, FaultCode | Verdict>> = {
  authorized_error: 'upstream_auth',
  insufficient_balance_error: 'upstream_quota',
  rate_limit_error: LIMITED,
};

/** In an error body, which has no code of its own, it is the number in brackets that ends the message. */
const TRAILING_CODE = /\((\d{4})\)\s*$/;

const codeOf = ({ code, message }: VendorError): string =>
  code === '' ? (TRAILING_CODE.exec(message)?.[1] ?? '') : code;

/** Of a bad parameter, whatever the status it comes with. */
const phrase = vendorPhrases(
  [
    [[200, 400], /context window exceeds limit/, 'context_length_exceeded'],
    [[200, 400], /unknown model\b/, 'upstream_model_missing'],
  ],
  /invalid params, /,
);

const REFUSED_TYPES = ['bad_request_error', 'invalid_request_error'];

const classify: Classify = (error) => {
  const { status, type } = error;
  const number = codeOf(error);
  // The code of a bad parameter comes with it.
  if (status === 413) return 'request_too_large';
  const said = number === '2013' ? phrase(error) : undefined;
  if (said !== undefined) return said;
  const known = Object.hasOwn(BY_CODE, number) ? BY_CODE[number] : BY_TYPE[type];
  // The message may end in what the customer wrote, and a number in brackets with it: a refused request is not our debt.
  if (status === 400 && REFUSED_TYPES.includes(type) && known !== undefined && !isOfClient(known))
    return 'upstream_rejected';
  if (known !== undefined) return known;
  if (status === 429) return LIMITED;
  return status === 400 ? 'invalid_value' : undefined;
};

const isOfClient = (known: FaultCode | Verdict): boolean =>
  FAULTS[typeof known === 'string' ? known : known.code].owner === 'client';

/** Failures come inside answers with status 200: `choices` is null and `base_resp` says why. */
const inBandError = (frame: Readonly<Record<string, unknown>>): VendorError | null => {
  const result = frame['base_resp'];
  if (typeof result !== 'object' || result === null) return null;
  const { status_code: code, status_msg: message } = result as {
    readonly status_code?: unknown;
    readonly status_msg?: unknown;
  };
  if (code == null || code === 0) return null;
  return { status: 200, code: String(code), type: '', message: typeof message === 'string' ? message : '' };
};

/** MiniMax's dialect. */
export const minimax: Dialect = {
  id: 'minimax',
  baseUrl: 'https://api.minimaxi.com/v1',
  simulatorPath: '/minimax/v1',
  chatPath: '/chat/completions',
  embeddings: null,
  userField: null,
  ceiling: { field: () => 'max_completion_tokens', max: 524_288 },
  thinking: (on) => ({ thinking: { type: on ? 'adaptive' : 'disabled' } }),
  // Otherwise thinking stands inside the content, between tags.
  extra: () => ({ reasoning_split: true }),
  asksForUsage: true,
  reservedToolNames: [],
  messages: { systemFirst: true, userRequired: true, reasoning: 'keep' },
  finishReasons: { tool_call: 'tool_calls' },
  inBandError,
  // 1026 is about the request.
  filtersAnswer: (error) => codeOf(error) === '1027',
  flagsFiltered: (frame) => frame['output_sensitive'] === true,
  classify,
};
