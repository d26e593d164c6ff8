import type { Behaviour } from './behaviour.js';

/**
 * How much of a completion is written when a provider that gives JSON answers a limited time sends what it has, in tokens.
 * Undefined if it is whole by then. A completion takes as long as its stream would.
 * @param tokens of the whole completion
 */
export const tokensBeforeCut = (behaviour: Behaviour, cutMs: number, tokens: number): number | undefined => {
  const {
    header_delay_ms: headersMs = 0,
    first_delay_ms: firstMs = 0,
    chunk_delay_ms: gapMs = 0,
    chunk_tokens: size = 1,
  } = behaviour;
  const leftMs = cutMs - headersMs - firstMs;
  if (leftMs < 0) return 0;
  const chunks = Math.ceil(tokens / size);
  return gapMs * (chunks - 1) <= leftMs ? undefined : (Math.floor(leftMs / gapMs) + 1) * size;
};
