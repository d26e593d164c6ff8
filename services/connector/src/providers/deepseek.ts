import type { Dialect } from '../domain/dialect.js';
import type { Classify } from '../domain/vendor-error.js';
import { vendorPhrases } from '../domain/vendor-phrases.js';

// Source: api-docs.deepseek.com, create-chat-completion and quick_start, September to November 2026.

const REFUSED = [400, 422];

const phrase = vendorPhrases([
  // Inside an answer, where there is no status to say it.
  [[200], /insufficient balance\W*$/, 'upstream_quota'],
  [[200, 400], /content exists risk/, 'content_filter'],
  [
    REFUSED,
    /this model's maximum context length|(?:maximum )?context length exceeded|(?:prompt|input|context) is too long/,
    'context_length_exceeded',
  ],
  // A retired or unknown model is our channel's fault, not the client's.
  [
    REFUSED,
    /model not exist|unknown model|the supported api model names are|(?:the )?model ['"`]?[\w./:-]{1,64}['"`]? (?:does not exist|not found|(?:is|has been) (?:retired|deprecated))/,
    'upstream_model_missing',
  ],
  // Members that only we write.
  [
    REFUSED,
    /the reasoning_content in the thinking mode|missing `?reasoning_content`? field|thinking mode does not support/,
    'upstream_rejected',
  ],
]);

/**
 * Status first, then `type`, then message: `code` is `invalid_request_error` for almost everything, 401 and 402
 * included. Without an Authorization header the answer is plain text.
 */
const classify: Classify = (error) => {
  const { status, type } = error;
  if (status === 401 || type === 'authentication_error') return 'upstream_auth';
  if (status === 402) return 'upstream_quota';
  // A limit of the account and model on concurrent calls: it is over as soon as one of them ends.
  if (status === 429) return { code: 'upstream_rate_limited', retryAfterMs: 2_000 };
  return phrase(error) ?? (REFUSED.includes(status) ? 'invalid_value' : undefined);
};

/** DeepSeek's dialect. */
export const deepseek: Dialect = {
  id: 'deepseek',
  baseUrl: 'https://api.deepseek.com',
  simulatorPath: '/deepseek',
  chatPath: '/chat/completions',
  embeddings: null,
  userField: 'user_id',
  // `max_completion_tokens` is silently ignored.
  ceiling: { field: () => 'max_tokens', max: 393_216 },
  thinking: (on) => ({ thinking: { type: on ? 'enabled' : 'disabled' } }),
  extra: () => ({}),
  asksForUsage: true,
  reservedToolNames: [],
  messages: { systemFirst: false, userRequired: false, reasoning: 'with-tool-calls' },
  finishReasons: { insufficient_system_resource: 'upstream_overloaded', aborted: 'upstream_error' },
  inBandError: () => null,
  filtersAnswer: () => false,
  flagsFiltered: () => false,
  classify,
};
