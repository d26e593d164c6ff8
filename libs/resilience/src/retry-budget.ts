import type { Clock } from '@tunan/kernel';

/** How many retries a budget grants. */
export interface RetryBudgetOptions {
  /** Retries per request of the window. */
  readonly share: number;
  /** Retries of a window that are granted however few requests there are. */
  readonly min: number;
  readonly windowMs: number;
}

/** A fifth of the requests of the last 10 s, at least 3. */
export const RETRY_BUDGET_DEFAULTS: RetryBudgetOptions = { share: 0.2, min: 3, windowMs: 10_000 };

const SLOTS = 10;

/**
 * Bounds retries to a share of the requests, so that a failing upstream meets at most `1 + share` times the load and
 * not a multiple of it.
 */
export class RetryBudget {
  readonly #slotMs: number;
  readonly #requests = new Uint32Array(SLOTS);
  readonly #retries = new Uint32Array(SLOTS);
  #slot: number;
  #requestsSum = 0;
  #retriesSum = 0;

  constructor(
    private readonly clock: Clock,
    private readonly options: RetryBudgetOptions = RETRY_BUDGET_DEFAULTS,
  ) {
    this.#slotMs = options.windowMs / SLOTS;
    this.#slot = Math.floor(clock.monotonicMs() / this.#slotMs);
  }

  /** Counts a request; call it once per request, not per attempt. */
  request(): void {
    this.#forgetOld();
    this.#requests[this.#slot % SLOTS]! += 1;
    this.#requestsSum += 1;
  }

  /** Takes one retry out of the budget. False if it is used up: then there is no retry. */
  tryRetry(): boolean {
    this.#forgetOld();
    if (this.#retriesSum >= Math.max(this.options.min, Math.floor(this.options.share * this.#requestsSum)))
      return false;
    this.#retries[this.#slot % SLOTS]! += 1;
    this.#retriesSum += 1;
    return true;
  }

  #forgetOld(): void {
    const slot = Math.floor(this.clock.monotonicMs() / this.#slotMs);
    const stale = Math.min(SLOTS, slot - this.#slot);
    for (let step = 1; step <= stale; step += 1) {
      const old = (this.#slot + step) % SLOTS;
      this.#requestsSum -= this.#requests[old]!;
      this.#retriesSum -= this.#retries[old]!;
      this.#requests[old] = 0;
      this.#retries[old] = 0;
    }
    this.#slot = slot;
  }
}
