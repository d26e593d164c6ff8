import type { Clock } from '@tunan/kernel';
import { SlidingWindow, type WindowState } from '@tunan/resilience';
import { RecentMap } from './recent-map.js';

/** Failed authentications per minute and client address. */
export const FAILED_AUTHENTICATIONS_PER_MINUTE = 60;

/**
 * Counts requests without a working key by client address. It is each process's own: its headers say what it will do
 * itself. A key that works is never refused here, because many customers may share one address.
 */
export class FailedAuthentications {
  /** By address, in order of the last failure. */
  readonly #windows: RecentMap<SlidingWindow>;

  /** @param addressesMax most addresses that are remembered; beyond, the one that was quiet longest is forgotten */
  constructor(
    private readonly clock: Clock,
    addressesMax: number,
  ) {
    this.#windows = new RecentMap(addressesMax);
  }

  /** Counts a failure; returns after how many milliseconds the next one counts as such, 0 if this one does. */
  count(address: string): number {
    const window = this.#windows.get(address) ?? new SlidingWindow();
    this.#windows.put(address, window);
    const nowMs = this.clock.nowMs();
    const waitMs = window.waitMs(nowMs, FAILED_AUTHENTICATIONS_PER_MINUTE, 1);
    if (waitMs === 0) window.add(nowMs, 1);
    return waitMs;
  }

  /** Whether the next failure of an address would not count any more. */
  isExceeded(address: string): boolean {
    const window = this.#windows.get(address);
    return (
      window !== undefined && window.waitMs(this.clock.nowMs(), FAILED_AUTHENTICATIONS_PER_MINUTE, 1) > 0
    );
  }

  /** State of the limit of an address. */
  state(address: string): WindowState {
    const window = this.#windows.get(address);
    return window === undefined
      ? {
          limit: FAILED_AUTHENTICATIONS_PER_MINUTE,
          remaining: FAILED_AUTHENTICATIONS_PER_MINUTE,
          resetMs: 0,
        }
      : window.state(this.clock.nowMs(), FAILED_AUTHENTICATIONS_PER_MINUTE);
  }
}
