import type { Dialect } from '../domain/dialect.js';
import type { Classify } from '../domain/vendor-error.js';

// Source: api-docs.deepseek.com, create-chat-completion and quick_start, September to November 2026.

const REFUSED: Readonly<Record<number, true>> = { 400: true, 422: true };

/**
 * Status first, then `type`, then message: `code` is `invalid_request_error` for almost everything, 401 and 402
 * included. Without an Authorization header the answer is plain text.
 */
const classify: Classify = ({ status, type, message }) => {
  if (status === 401 || type === 'authentication_error') return 'upstream_auth';
  if (status === 402 || /insufficient balance/i.test(message)) return 'upstream_quota';
  // A limit of the account and model on concurrent calls: it is over as soon as one of them ends.
  if (status === 429) return { code: 'upstream_rate_limited', retryAfterMs: 2_000 };
  if (/content exists risk/i.test(message)) return 'content_filter';
  if (REFUSED[status] !== true) return undefined;
  if (/maximum context length|context length|too long/i.test(message)) return 'context_length_exceeded';
  // A retired or unknown model is our channel's fault, not the client's.
  if (
    /\bmodel\b.*\b(?:not exist|not found|retired|deprecated|unknown|invalid model)|unknown model|model not exist/i.test(
      message,
    )
  )
    return 'upstream_model_missing';
  // Members that only we write.
  if (/reasoning_content|thinking/i.test(message)) return 'upstream_rejected';
  return 'invalid_value';
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
  messages: { systemFirst: false, userRequired: false, reasoning: 'with-tool-calls' },
  finishReasons: { insufficient_system_resource: 'upstream_overloaded', aborted: 'upstream_error' },
  inBandError: () => null,
  filtersAnswer: () => false,
  flagsFiltered: () => false,
  classify,
};
