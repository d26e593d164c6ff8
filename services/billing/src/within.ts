import { Fault, type Clock } from '@tunan/kernel';

/** The promise, or a Fault if it takes longer than `timeoutMs`. The work itself goes on: bound what must not. */
export const within = async <T>(clock: Clock, timeoutMs: number, work: Promise<T>): Promise<T> => {
  let cancel = (): void => undefined;
  const expiry = new Promise<never>((_resolve, reject) => {
    cancel = clock.after(timeoutMs, () =>
      reject(
        new Fault('service_unavailable', 'Try again.', { internal: `no answer within ${timeoutMs} ms` }),
      ),
    );
  });
  try {
    return await Promise.race([work, expiry]);
  } finally {
    cancel();
  }
};
