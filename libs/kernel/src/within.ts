import type { Clock } from './clock.js';
import { Fault } from './fault/fault.js';
import { timeOut } from './time-out.js';

/** The promise, or `late` if it takes longer than `timeoutMs` (as {@link timeOut} has it). The work itself goes on. */
export const within = async <T, Late>(
  clock: Clock,
  timeoutMs: number,
  work: Promise<T>,
  late: Late,
): Promise<T | Late> => {
  let cancel = (): void => undefined;
  const expiry = new Promise<Late>((resolve) => {
    cancel = timeOut(clock, timeoutMs, () => resolve(late));
  });
  try {
    return await Promise.race([work, expiry]);
  } finally {
    cancel();
  }
};

const LATE = Symbol('late');

/**
 * The answer of another part, which may be in this process and stuck all the same. The call itself goes on: bound what
 * must not.
 * @param who named in the log
 * @throws Fault `service_unavailable` if it takes longer than `timeoutMs`
 */
export const answerWithin = async <T>(
  clock: Clock,
  timeoutMs: number,
  who: string,
  call: Promise<T>,
): Promise<T> => {
  const answer = await within(clock, timeoutMs, call, LATE);
  if (answer !== LATE) return answer;
  throw new Fault('service_unavailable', 'The service is not available at the moment. Please retry.', {
    internal: `${who}: no answer in ${timeoutMs} ms`,
    retryAfterMs: 1_000,
  });
};
