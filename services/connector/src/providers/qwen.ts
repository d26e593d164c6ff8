import type { Dialect } from '../domain/dialect.js';
import type { Classify } from '../domain/vendor-error.js';
import type { FaultCode } from '@tunan/kernel';

// Source: help.aliyun.com/zh/model-studio, OpenAI-compatible mode, error codes and rate limits, 2026.

/** All keys of the main account share a limit, which recovers within about a minute. */
const THROTTLED = { code: 'upstream_rate_limited', retryAfterMs: 60_000 } as const;

/** By code, lower-case and without separators: old (`DataInspectionFailed`) and new spellings both occur. */
const BY_CODE: readonly (readonly [RegExp, FaultCode | typeof THROTTLED])[] = [
  [/^invalidapikey$/, 'upstream_auth'],
  [/^arrearage$|billoverdue$|^commoditynotpurchased$/, 'upstream_quota'],
  [/freetieronly$/, 'upstream_quota_window'],
  // Tokens per minute, not money.
  [/^insufficientquota$|^limitrequests$|^limitburstrate$|^throttling/, THROTTLED],
  [/^datainspectionfailed$/, 'content_filter'],
  [/accessdenied|^modelnotfound$|^modelnotsupported$/, 'upstream_model_missing'],
  [/^modelservingerror$|^modelunavailable$/, 'upstream_overloaded'],
  [/^internalerrortimeout$|^requesttimeout$/, 'upstream_timeout'],
  [/^internalerror/, 'upstream_error'],
];

const classify: Classify = ({ status, code, type, message }) => {
  if (/free allocated quota exceeded/i.test(message)) return 'upstream_quota_window';
  for (const word of [code, type]) {
    const normal = word.toLowerCase().replaceAll(/[^a-z]/g, '');
    const known = BY_CODE.find(([pattern]) => pattern.test(normal));
    if (known !== undefined) return known[1];
  }
  if (status === 429) return THROTTLED;
  if (status !== 400) return undefined;
  if (/account is in good standing/i.test(message)) return 'upstream_quota';
  if (/range of input length|context length/i.test(message)) return 'context_length_exceeded';
  if (/enable_thinking|stream mode/i.test(message)) return 'upstream_rejected';
  return 'invalid_value';
};

/** Models whose `max_completion_tokens` bounds thinking and answer together; the others know `max_tokens` only. */
const BOUNDS_ALL_OUTPUT = /^qwen(?:3\.[5-9]|[4-9])/;

/** Qwen's dialect: DashScope's compatible mode. */
export const qwen: Dialect = {
  id: 'qwen',
  baseUrl: 'https://dashscope.aliyuncs.com/compatible-mode/v1',
  simulatorPath: '/qwen/compatible-mode/v1',
  chatPath: '/chat/completions',
  embeddings: { path: '/embeddings', batchMax: 10, extra: { encoding_format: 'float' } },
  userField: null,
  ceiling: {
    field: (model) => (BOUNDS_ALL_OUTPUT.test(model) ? 'max_completion_tokens' : 'max_tokens'),
    max: Number.MAX_SAFE_INTEGER,
  },
  thinking: (on) => ({ enable_thinking: on }),
  extra: () => ({}),
  asksForUsage: true,
  messages: { systemFirst: true, userRequired: true, reasoning: 'drop' },
  finishReasons: {},
  inBandError: () => null,
  // "Output data may contain inappropriate content.", under the code of a filtered request.
  filtersAnswer: (error) => /output data/i.test(error.message) && classify(error) === 'content_filter',
  flagsFiltered: () => false,
  classify,
};
