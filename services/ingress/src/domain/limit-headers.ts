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
 * The limiter's state as response headers: the three documented ones (requests per minute; reset as Unix seconds,
 * rounded up) and OpenAI's six (reset as a span).
 */
export const limitHeaders = (limits: Limits, nowMs: number): Record<string, string> => {
  const { requests, tokens } = limits;
  const headers: Record<string, string> = {
    'x-ratelimit-limit': String(requests.limit),
    'x-ratelimit-remaining': String(requests.remaining),
    'x-ratelimit-reset': String(Math.ceil((nowMs + requests.resetMs) / 1_000)),
  };
  openAi(headers, 'requests', requests);
  openAi(headers, 'tokens', tokens);
  return headers;
};
