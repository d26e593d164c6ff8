/** Response headers that a page of another origin may read: everything that we promise and that is not safelisted. */
export const PROMISED_HEADERS = [
  'x-request-id',
  'x-client-request-id',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-tokens',
  'x-should-retry',
  'x-tunan-adapted',
  'x-tunan-alias',
  'x-tunan-attempts',
  'x-tunan-fallback',
  'x-tunan-max-tokens',
  'x-tunan-provider',
  'x-tunan-replayed',
  'x-tunan-upstream-model',
  'openai-processing-ms',
  'retry-after',
  'retry-after-ms',
  'www-authenticate',
] as const;

const ALLOW_ORIGIN = { 'access-control-allow-origin': '*' } as const;
const EXPOSE = { ...ALLOW_ORIGIN, 'access-control-expose-headers': PROMISED_HEADERS.join(', ') } as const;

/** What every answer says to browsers; only they send an `Origin`, so only they are told what they may read. */
export const corsHeaders = (origin: string | undefined): Readonly<Record<string, string>> =>
  origin === undefined ? ALLOW_ORIGIN : EXPOSE;

const HEADER_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:\s*,\s*[\w!#$%&'*+.^`|~-]+)*$/;
const DAY_S = 86_400;

/**
 * The answer to a preflight: any page may call, with whatever headers its SDK sends. There are no cookies here, so the
 * key is all that protects, and a page has it or not.
 */
export const preflightHeaders = (
  methods: readonly string[],
  requestedHeaders: string | undefined,
): Record<string, string> => ({
  ...ALLOW_ORIGIN,
  'access-control-allow-methods': methods.join(', '),
  ...(requestedHeaders !== undefined && HEADER_NAMES.test(requestedHeaders)
    ? { 'access-control-allow-headers': requestedHeaders }
    : {}),
  'access-control-max-age': String(DAY_S),
  vary: 'Access-Control-Request-Headers',
});
