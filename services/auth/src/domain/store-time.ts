import type { Clock } from '@tunan/kernel';

/**
 * The time that leases, windows and tombstones go by: it starts at the wall clock and then advances with the
 * monotonic one, so that a jump of the wall clock ends no lease and empties no window. Whole milliseconds.
 */
export class StoreTime {
  readonly #offsetMs: number;

  /** @param latestMs latest time of an earlier life; this one does not start before it */
  constructor(
    private readonly clock: Clock,
    latestMs = 0,
  ) {
    this.#offsetMs = Math.max(clock.nowMs(), latestMs) - clock.monotonicMs();
  }

  nowMs(): number {
    return Math.floor(this.clock.monotonicMs() + this.#offsetMs);
  }
}
