import type { Dialect } from '../domain/dialect.js';
import type { Classify, Verdict } from '../domain/vendor-error.js';
import { vendorPhrases } from '../domain/vendor-phrases.js';
import type { FaultCode } from '@tunan/kernel';

// Source: help.aliyun.com/zh/model-studio, OpenAI-compatible mode, error codes and rate limits, 2026.

/** All keys of the main account share a limit, which recovers within about a minute. */
const THROTTLED: Verdict = { code: 'upstream_rate_limited', retryAfterMs: 60_000 };
/** Of one model. It does not come back by itself, so this is how soon it is noticed that it is paid for. */
const FREE_QUOTA: Verdict = { code: 'upstream_free_quota', retryAfterMs: 600_000 };

/** By code, lower-case and without separators: old (`DataInspectionFailed`) and new spellings both occur. */
const BY_CODE: readonly (readonly [RegExp, FaultCode | Verdict])[] = [
  [/^invalidapikey$/, 'upstream_auth'],
  [/^arrearage$|billoverdue$|^commoditynotpurchased$/, 'upstream_quota'],
  [/freetieronly$/, FREE_QUOTA],
  // Tokens per minute, not money.
  [/^insufficientquota$|^limitrequests$|^limitburstrate$|^throttling/, THROTTLED],
  [/^datainspectionfailed$/, 'content_filter'],
  [/accessdenied|^modelnotfound$|^modelnotsupported$/, 'upstream_model_missing'],
  [/^modelservingerror$|^modelunavailable$/, 'upstream_overloaded'],
  [/^internalerrortimeout$|^requesttimeout$/, 'upstream_timeout'],
  [/^internalerror/, 'upstream_error'],
];

/** Refusals carry the inner error: `<400> InternalError.Algo.InvalidParameter: …`. */
const INNER = /<\d{3}> [\w.]+: /;

const freeQuota = vendorPhrases(
  [[[403, 429], /free allocated quota exceeded/, 'upstream_free_quota']],
  INNER,
);

const phrase = vendorPhrases(
  [
    [[400], /access denied, please make sure your account is in good standing/, 'upstream_quota'],
    [[400], /range of input length|(?:maximum )?context length/, 'context_length_exceeded'],
    // Members that only we write.
    [
      [400],
      /(?:parameter\.)?enable_thinking\b|this model only supports? stream mode|json mode response is not supported when enable_thinking/,
      'upstream_rejected',
    ],
  ],
  INNER,
);

const classify: Classify = (error) => {
  const { status, code, type } = error;
  // Said under the code of too many tokens per minute.
  if (freeQuota(error) !== undefined) return FREE_QUOTA;
  for (const word of [code, type]) {
    const normal = word.toLowerCase().replaceAll(/[^a-z]/g, '');
    const known = BY_CODE.find(([pattern]) => pattern.test(normal));
    if (known !== undefined) return known[1];
  }
  if (status === 429) return THROTTLED;
  return status === 400 ? (phrase(error) ?? 'invalid_value') : undefined;
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
  reservedToolNames: ['search'],
  messages: { systemFirst: true, userRequired: true, reasoning: 'drop' },
  finishReasons: {},
  inBandError: () => null,
  // "Output data may contain inappropriate content.", under the code of a filtered request.
  filtersAnswer: (error) =>
    /^(?:<\d{3}> [\w.]+: )?output data/i.test(error.message) && classify(error) === 'content_filter',
  flagsFiltered: () => false,
  classify,
};
