import type { Limits, LimitState } from '@tunan/contracts';

/** A time span in OpenAI's notation: `0s`, `12ms`, `1s`, `6m0s`. */
export const formatSpan = (ms: number): string => {
  if (ms <= 0) return '0s';
  if (ms < 1_000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1_000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
};

const openAi = (headers: Record<string, string>, name: string, state: LimitState): void => {
  headers[`x-ratelimit-limit-${name}`] = String(state.limit);
  headers[`x-ratelimit-remaining-${name}`] = String(state.remaining);
  headers[`x-ratelimit-reset-${name}`] = formatSpan(state.resetMs);
};

/**
 * A limit of requests per minute as response headers: the three documented ones (reset as Unix seconds, rounded up)
 * and OpenAI's (reset as a span).
 */
export const requestLimitHeaders = (requests: LimitState, nowMs: number): Record<string, string> => {
  const headers: Record<string, string> = {
    'x-ratelimit-limit': String(requests.limit),
    'x-ratelimit-remaining': String(requests.remaining),
    'x-ratelimit-reset': String(Math.ceil((nowMs + requests.resetMs) / 1_000)),
  };
  openAi(headers, 'requests', requests);
  return headers;
};

/** The limiter's state as response headers: {@link requestLimitHeaders}, and OpenAI's three of the token limit. */
export const limitHeaders = (limits: Limits, nowMs: number): Record<string, string> => {
  const headers = requestLimitHeaders(limits.requests, nowMs);
  openAi(headers, 'tokens', limits.tokens);
  return headers;
};
