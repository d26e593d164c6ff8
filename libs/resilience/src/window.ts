const SLOTS = 60;
const SLOT_MS = 1_000;

/** State of a limit at one moment. */
export interface WindowState {
  readonly limit: number;
  readonly remaining: number;
  /** Milliseconds until the whole limit is available again if nothing else is added. At most 60,000. */
  readonly resetMs: number;
}

/**
 * What was used during the last minute, in 60 slots of one second. An amount counts from the moment it is added
 * until its second is 60 seconds old, so no 60 consecutive seconds of the clock hold more than the limit.
 * Time is what the caller says; a time before the latest one that was seen counts as that one. Amounts are integers.
 */
export class SlidingWindow {
  readonly #slots = new Float64Array(SLOTS);
  #second = Number.NEGATIVE_INFINITY;
  #total = 0;

  /** Counts an amount now. */
  add(nowMs: number, amount: number): void {
    const second = this.#roll(nowMs);
    this.#slots[slotOf(second)]! += amount;
    this.#total += amount;
  }

  /**
   * Changes what was counted at an earlier moment, if that moment still counts. A slot never goes below zero: a
   * correction may follow the loss of what it corrects.
   */
  correct(nowMs: number, atMs: number, difference: number): void {
    const second = this.#roll(nowMs);
    const at = Math.min(second, Math.floor(atMs / SLOT_MS));
    if (at <= second - SLOTS) return;
    const slot = slotOf(at);
    const counted = this.#slots[slot]!;
    const corrected = Math.max(0, counted + difference);
    this.#slots[slot] = corrected;
    this.#total += corrected - counted;
  }

  /** What counts now. */
  total(nowMs: number): number {
    this.#roll(nowMs);
    return this.#total;
  }

  /**
   * How long until `amount` more fits below `limit` if nothing else is added: 0 if it fits now, at most 60,000,
   * Infinity if the limit is 0. An amount above the whole limit fits when the window is empty, so that it is never
   * refused for ever.
   */
  waitMs(nowMs: number, limit: number, amount: number): number {
    const second = this.#roll(nowMs);
    if (limit <= 0) return Number.POSITIVE_INFINITY;
    let excess = amount > limit ? this.#total : this.#total + amount - limit;
    if (excess <= 0) return 0;
    for (let at = second - SLOTS + 1; at <= second; at += 1) {
      excess -= this.#slots[slotOf(at)]!;
      if (excess <= 0) return untilMs(at, nowMs);
    }
    return untilMs(second, nowMs);
  }

  /** The state under a limit. */
  state(nowMs: number, limit: number): WindowState {
    const second = this.#roll(nowMs);
    const remaining = Math.max(0, limit - this.#total);
    let newest = second;
    while (newest > second - SLOTS && this.#slots[slotOf(newest)] === 0) newest -= 1;
    return { limit, remaining, resetMs: this.#total === 0 ? 0 : untilMs(newest, nowMs) };
  }

  /** Empties the slots that have fallen out since the last call, and returns the current second. */
  #roll(nowMs: number): number {
    const second = Math.floor(nowMs / SLOT_MS);
    if (second <= this.#second) return this.#second;
    if (second - this.#second >= SLOTS) {
      this.#slots.fill(0);
      this.#total = 0;
    } else {
      for (let passed = this.#second + 1; passed <= second; passed += 1) {
        const slot = slotOf(passed);
        this.#total -= this.#slots[slot]!;
        this.#slots[slot] = 0;
      }
    }
    this.#second = second;
    return second;
  }
}

const slotOf = (second: number): number => ((second % SLOTS) + SLOTS) % SLOTS;

/** Milliseconds until a slot stops counting. */
const untilMs = (second: number, nowMs: number): number =>
  Math.min((second + SLOTS) * SLOT_MS - nowMs, SLOTS * SLOT_MS);
