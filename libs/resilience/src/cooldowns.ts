import type { Clock } from '@tunan/kernel';

/**
 * Who has to be left alone until when. Bounded by the number of distinct keys that its owner uses; entries that are
 * over vanish when they are read.
 */
export class Cooldowns {
  readonly #untilMs = new Map<string, number>();

  constructor(private readonly clock: Clock) {}

  /** Leaves `key` alone for `ms` from now. A longer cool-down that runs already stays. */
  cool(key: string, ms: number): void {
    const untilMs = this.clock.monotonicMs() + ms;
    if (untilMs > (this.#untilMs.get(key) ?? -Infinity)) this.#untilMs.set(key, untilMs);
  }

  /** Milliseconds that `key` still has to be left alone; 0 if it has not. */
  waitMs(key: string): number {
    const untilMs = this.#untilMs.get(key);
    if (untilMs === undefined) return 0;
    const waitMs = untilMs - this.clock.monotonicMs();
    if (waitMs > 0) return waitMs;
    this.#untilMs.delete(key);
    return 0;
  }

  /** Forgets the cool-down of `key`. */
  clear(key: string): void {
    this.#untilMs.delete(key);
  }
}
