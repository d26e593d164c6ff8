import { Fault, type Clock } from '@tunan/kernel';
import { SlidingWindow } from '@tunan/resilience';
import { RecentMap } from '../recent-map.js';

/**
 * Look-ups of idempotency keys per minute and account that set no mark: replays, repetitions, and what is refused. More
 * than an account may have in flight, so that those of one moment that are all admitted get through.
 */
export const LOOKUPS_PER_MINUTE = 1_200;
const ACCOUNTS_MAX = 10_000;

/**
 * Bounds the reads of requests that admission has not judged yet, or never will because they are replays. What sets its
 * mark was admitted, and does not count. Each process counts for itself.
 */
export class LookupLimit {
  /** By account, in order of the last look-up. */
  readonly #windows = new RecentMap<SlidingWindow>(ACCOUNTS_MAX);

  constructor(private readonly clock: Clock) {}

  /**
   * Counts a look-up of an account, and returns what takes it back once its request has set its mark.
   * @throws Fault `rate_limit_exceeded`
   */
  count(accountId: string): () => void {
    const window = this.#windows.get(accountId) ?? new SlidingWindow();
    this.#windows.put(accountId, window);
    const nowMs = this.clock.nowMs();
    const retryAfterMs = window.waitMs(nowMs, LOOKUPS_PER_MINUTE, 1);
    if (retryAfterMs > 0)
      throw new Fault(
        'rate_limit_exceeded',
        'Rate limit reached: too many requests with an Idempotency-Key that are repeated or refused per minute.',
        { retryAfterMs },
      );
    window.add(nowMs, 1);
    return () => window.correct(this.clock.nowMs(), nowMs, -1);
  }
}
