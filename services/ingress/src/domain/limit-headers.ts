import type { Limits, LimitState } from '@tunan/contracts';

/** A time span in OpenAI's notation: `0s`, `12ms`, `1s`, `6m0s`. */
export const formatSpan = (ms: number): string => {
  if (ms <= 0) return '0s';
  if (ms < 1_000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1_000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
};

/**
 * A limit of requests per minute as response headers: the three documented ones (reset as Unix seconds, rounded up)
 * and OpenAI's (reset as a span).
 */
export const requestLimitHeaders = (requests: LimitState, nowMs: number): Record<string, string> => {
  const limit = String(requests.limit);
  const remaining = String(requests.remaining);
  return {
    'x-ratelimit-limit': limit,
    'x-ratelimit-remaining': remaining,
    'x-ratelimit-reset': String(Math.ceil((nowMs + requests.resetMs) / 1_000)),
    'x-ratelimit-limit-requests': limit,
    'x-ratelimit-remaining-requests': remaining,
    'x-ratelimit-reset-requests': formatSpan(requests.resetMs),
  };
};

/** The limiter's state as response headers: {@link requestLimitHeaders}, and OpenAI's three of the token limit. */
export const limitHeaders = (limits: Limits, nowMs: number): Record<string, string> => {
  const headers = requestLimitHeaders(limits.requests, nowMs);
  headers['x-ratelimit-limit-tokens'] = String(limits.tokens.limit);
  headers['x-ratelimit-remaining-tokens'] = String(limits.tokens.remaining);
  headers['x-ratelimit-reset-tokens'] = formatSpan(limits.tokens.resetMs);
  return headers;
};
