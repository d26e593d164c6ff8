import type { Clock } from '@tunan/kernel';

/** The promise, or `late` if it takes longer than `timeoutMs`. The work itself goes on. */
export const within = async <T, Late>(
  clock: Clock,
  timeoutMs: number,
  work: Promise<T>,
  late: Late,
): Promise<T | Late> => {
  let cancel = (): void => undefined;
  const expiry = new Promise<Late>((resolve) => {
    cancel = clock.after(timeoutMs, () => resolve(late));
  });
  try {
    return await Promise.race([work, expiry]);
  } finally {
    cancel();
  }
};
