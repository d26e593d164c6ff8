import type { CancelTimer, Clock } from './clock.js';

/**
 * Calls `callback` once `timeoutMs` milliseconds are over for something to come. An event loop that is late calls a timer
 * before it reads what has arrived meanwhile, so that the lateness of this process would look like that of another: as long
 * as the timer was late, and at most `timeoutMs`, is waited once more.
 */
export const timeOut = (clock: Clock, timeoutMs: number, callback: () => void): CancelTimer => {
  const dueMs = clock.monotonicMs() + timeoutMs;
  let cancel = clock.after(timeoutMs, () => {
    const lateMs = clock.monotonicMs() - dueMs;
    if (lateMs <= 0) return callback();
    cancel = clock.after(Math.min(lateMs, timeoutMs), callback);
  });
  return () => cancel();
};
