import { describe, expect, it } from '@jest/globals';
import { Clock, type CancelTimer } from '@tunan/kernel';
import { StoreTime } from './store-time.js';

/** A wall clock that jumps beside a monotonic one that does not. */
class TwoClocks extends Clock {
  wallMs = 1_700_000_000_000;
  sinceStartMs = 5_000.75;

  nowMs(): number {
    return this.wallMs;
  }

  monotonicMs(): number {
    return this.sinceStartMs;
  }

  after(): CancelTimer {
    return () => undefined;
  }
}

describe('StoreTime', () => {
  it('starts at the wall clock, in whole milliseconds', () => {
    expect(new StoreTime(new TwoClocks()).nowMs()).toBe(1_700_000_000_000);
  });

  // Guarantee: a jump of the wall clock by an hour ends no lease and empties no window.
  it('goes by the monotonic clock, whatever the wall clock does', () => {
    const clock = new TwoClocks();
    const time = new StoreTime(clock);
    clock.wallMs += 3_600_000;
    clock.sinceStartMs += 20;
    expect(time.nowMs()).toBe(1_700_000_000_020);
  });

  it('does not start before the latest time of an earlier life', () => {
    expect(new StoreTime(new TwoClocks(), 1_700_000_000_500).nowMs()).toBe(1_700_000_000_500);
  });
});
