import type { FaultCode } from '@tunan/kernel';
import type { Dialect } from '../domain/dialect.js';
import type { Classify, Verdict } from '../domain/vendor-error.js';
import { vendorPhrases } from '../domain/vendor-phrases.js';

// Source: docs.bigmodel.cn (chat completion, embeddings, error codes) and docs.z.ai, 2026.

const CONCURRENCY: Verdict = { code: 'upstream_rate_limited', retryAfterMs: 3_000 };
/** A plan's window, whose end mostly stands in the message; else a quarter of an hour probes often enough. */
const WINDOW: Verdict = { code: 'upstream_quota_window', retryAfterMs: 900_000 };

/** Business codes, which are numbers as text. The code decides before the status: 429 also says "no money". */
const BY_CODE: Readonly<Record<string, FaultCode | Verdict>> = {
  '401': 'upstream_auth',
  '434': 'upstream_auth',
  '435': 'request_too_large',
  '1000': 'upstream_auth',
  '1001': 'upstream_auth',
  '1002': 'upstream_auth',
  '1003': 'upstream_auth',
  '1005': 'upstream_auth',
  '1113': 'upstream_quota',
  '1200': 'upstream_error',
  '1210': 'invalid_value',
  '1211': 'upstream_model_missing',
  '1212': 'invalid_value',
  '1213': 'invalid_value',
  '1214': 'invalid_value',
  '1215': 'invalid_value',
  '1220': 'upstream_model_missing',
  '1221': 'upstream_model_missing',
  '1222': 'upstream_model_missing',
  '1230': 'upstream_error',
  '1234': 'upstream_error',
  '1261': 'context_length_exceeded',
  '1301': 'content_filter',
  '1302': CONCURRENCY,
  // Load of the model, not of the key.
  '1305': 'upstream_overloaded',
  '1308': WINDOW,
  '1309': 'upstream_quota',
  '1310': WINDOW,
  '1311': 'upstream_model_missing',
  '1313': 'upstream_quota',
  '1314': 'upstream_auth',
  '1315': 'upstream_auth',
  '1316': WINDOW,
  '1317': WINDOW,
  '1318': WINDOW,
  '1319': WINDOW,
  '1320': WINDOW,
  '1321': WINDOW,
};

const phrase = vendorPhrases([[[400], /modelCode\b/, 'upstream_model_missing']]);

const classify: Classify = (error) => {
  const { status, code } = error;
  // Not every bad parameter is the client's: the model's name is ours.
  const said = code === '1214' ? phrase(error) : undefined;
  if (said !== undefined) return said;
  const known = Object.hasOwn(BY_CODE, code) ? BY_CODE[code] : undefined;
  // 1214 is a bad parameter mostly, and also a body that is too large.
  if (status === 413) return 'request_too_large';
  if (known !== undefined) return known;
  if (status === 429) return CONCURRENCY;
  return status === 400 ? 'invalid_value' : undefined;
};

/** GLM's dialect: BigModel, and Z.ai with the same API. */
export const glm: Dialect = {
  id: 'glm',
  baseUrl: 'https://open.bigmodel.cn/api/paas/v4',
  simulatorPath: '/glm/api/paas/v4',
  chatPath: '/chat/completions',
  embeddings: { path: '/embeddings', batchMax: 64, extra: {} },
  userField: 'user_id',
  ceiling: { field: () => 'max_tokens', max: 131_072 },
  thinking: (on) => ({ thinking: { type: on ? 'enabled' : 'disabled' } }),
  // Greedy decoding has a switch of its own; temperature 0, also one that was rounded to it, alone still samples.
  extra: (body) => (body['temperature'] === 0 ? { do_sample: false } : {}),
  // Usage always comes.
  asksForUsage: false,
  reservedToolNames: [],
  messages: { systemFirst: true, userRequired: true, reasoning: 'drop' },
  finishReasons: {
    sensitive: 'content_filter',
    network_error: 'upstream_overloaded',
    model_context_window_exceeded: 'length',
  },
  inBandError: () => null,
  filtersAnswer: () => false,
  flagsFiltered: () => false,
  classify,
};
