/** A source of numbers in [0, 1), injected so that tests decide what chance does. */
export type RandomSource = () => number;

/** `ms` changed by up to ± `share` of itself, so that many waiters do not wake at once. */
export const jittered = (ms: number, share: number, random: RandomSource): number =>
  ms * (1 + share * (2 * random() - 1));

/**
 * Wait before retry number `retry` (0 is the first): uniform in [0, min(capMs, baseMs × 2^retry)], known as full jitter.
 */
export const backoffMs = (retry: number, baseMs: number, capMs: number, random: RandomSource): number =>
  random() * Math.min(capMs, baseMs * 2 ** retry);
