import { within, type Clock } from '@tunan/kernel';

/**
 * Waits for a promise, not longer than `timeoutMs`. True if it resolved in that time; false if it takes longer or
 * failed. It runs on either way; a failure, early or late, goes to `onError`.
 */
export const succeedsWithin = (
  clock: Clock,
  timeoutMs: number,
  work: Promise<unknown>,
  onError: (error: unknown) => void,
): Promise<boolean> => {
  const outcome = work.then(
    () => true,
    (error: unknown) => {
      onError(error);
      return false;
    },
  );
  return within(clock, timeoutMs, outcome, false);
};
