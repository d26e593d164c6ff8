import { within, type Clock } from '@tunan/kernel';

/** Longest time that an error waits for the end of its request. */
const WAIT_MS = 2_000;

/**
 * Waits until the hold and the mark of a failed request are given back, so that a client that retries at once is not
 * refused for them, but not for longer than two seconds: an error is free, so its bill need not be durable. `ended` goes
 * on.
 */
export const beforeError = async (
  clock: Clock,
  ended: Promise<readonly PromiseSettledResult<unknown>[]>,
): Promise<void> => {
  await within(clock, WAIT_MS, ended, undefined);
};
