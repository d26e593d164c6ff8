import type { Clock } from '@tunan/kernel';

/**
 * Waits for a promise, not longer than `timeoutMs`. True if it resolved in that time; false if it takes longer or
 * failed. It runs on either way; a failure, early or late, goes to `onError`.
 */
export const within = async (
  clock: Clock,
  timeoutMs: number,
  work: Promise<unknown>,
  onError: (error: unknown) => void,
): Promise<boolean> =>
  new Promise((resolve) => {
    const cancel = clock.after(timeoutMs, () => resolve(false));
    work.then(
      () => {
        cancel();
        resolve(true);
      },
      (error: unknown) => {
        cancel();
        onError(error);
        resolve(false);
      },
    );
  });
