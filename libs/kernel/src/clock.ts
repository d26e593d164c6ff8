/** Stops a timer that has not fired yet; harmless afterwards. */
export type CancelTimer = () => void;

/**
 * Every read of time and every timer of logic that tests run under virtual time. An abstract class, so that one
 * name is both the type and the injection token.
 */
export abstract class Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump: only for timestamps that people or files see. */
  abstract nowMs(): number;
  /** Milliseconds since an arbitrary start; never goes back. For durations and deadlines. */
  abstract monotonicMs(): number;
  /** Calls `callback` once after at least `delayMs`. The timer does not keep the process alive. */
  abstract after(delayMs: number, callback: () => void): CancelTimer;

  /** Resolves after `delayMs`. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }
}

/** The machine's clock. */
export class SystemClock extends Clock {
  nowMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  after(delayMs: number, callback: () => void): CancelTimer {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  }
}
