import { Clock, type CancelTimer } from '@tunan/kernel';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
  cancelled: boolean;
}

/** Time of a simulated world. It passes only from one timer to the next; timers of one moment fire in order. */
export class VirtualTime extends Clock {
  #nowMs = 1_700_000_000_000;
  /** By due time, latest first, so that the next one is taken from the end. */
  readonly #timers: Timer[] = [];

  override nowMs(): number {
    return this.#nowMs;
  }

  override monotonicMs(): number {
    return this.#nowMs;
  }

  override after(delayMs: number, callback: () => void): CancelTimer {
    const timer: Timer = { dueMs: this.#nowMs + Math.max(0, delayMs), callback, cancelled: false };
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#timers[middle]!.dueMs > timer.dueMs) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return () => void (timer.cancelled = true);
  }

  /**
   * Fires the next timer.
   * @returns false, and nothing happens, if none is due by `untilMs`
   */
  step(untilMs: number): boolean {
    for (let next = this.#timers.at(-1); next !== undefined; next = this.#timers.at(-1)) {
      if (!next.cancelled && next.dueMs > untilMs) break;
      this.#timers.pop();
      if (next.cancelled) continue;
      this.#nowMs = next.dueMs;
      next.callback();
      return true;
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
    return false;
  }
}
