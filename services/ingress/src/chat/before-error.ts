import type { Clock } from '@tunan/kernel';

/** Longest time that an error waits for the end of its request. */
const WAIT_MS = 2_000;

/**
 * Waits until the hold and the mark of a failed request are given back, so that a client that retries at once is not
 * refused for them, but not for longer than two seconds: an error is free, so its bill need not be durable. Never fails;
 * `ended` goes on.
 */
export const beforeError = (clock: Clock, ended: Promise<unknown>): Promise<void> =>
  new Promise((resolve) => {
    const cancel = clock.after(WAIT_MS, resolve);
    const done = (): void => {
      cancel();
      resolve();
    };
    ended.then(done, done);
  });
