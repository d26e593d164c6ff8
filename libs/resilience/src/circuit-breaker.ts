import type { Clock } from '@tunan/kernel';
import { jittered, type RandomSource } from './random.js';

/** When a breaker opens and how it closes again. */
export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly consecutiveMax: number;
  /** Share of failures in the window that opens it, from `samplesMin` outcomes on. */
  readonly failureShare: number;
  readonly samplesMin: number;
  readonly windowMs: number;
  /** Time until the first probe; doubled by each probe that fails, up to `openMsMax`. */
  readonly openMs: number;
  readonly openMsMax: number;
  /** A probe that reports nothing for this long is given up, so that a lost caller can't hold the breaker. */
  readonly probeMsMax: number;
}

/** 5 failures in a row, or half of at least 20 in 10 s; probes after 5 s, at the latest every 60 s. */
export const BREAKER_DEFAULTS: BreakerOptions = {
  consecutiveMax: 5,
  failureShare: 0.5,
  samplesMin: 20,
  windowMs: 10_000,
  openMs: 5_000,
  openMsMax: 60_000,
  probeMsMax: 120_000,
};

export type BreakerState = 'closed' | 'open' | 'half-open';

/** Leave to pass, to be handed back with the outcome. */
export type Permit = number;

const SLOTS = 10;
const JITTER = 0.2;
/** Doublings of the open time after which more of them make no difference. */
const DOUBLINGS_MAX = 16;

/**
 * A circuit breaker. Closed, it lets everything pass and counts; open, it lets nothing pass; after a while one probe
 * may pass, whose outcome closes it or opens it again.
 *
 * Each permit is handed back once, to `succeeded`, `failed` or `released`. Outcomes of calls that passed before the
 * state last changed say nothing about the present state and are ignored.
 */
export class CircuitBreaker {
  #consecutive = 0;
  readonly #slotMs: number;
  readonly #successes = new Uint32Array(SLOTS);
  readonly #failures = new Uint32Array(SLOTS);
  /** Number of the newest slot since the clock's start. */
  #slot: number;
  /** Changes with every change of state; the permits of the present state have this value. */
  #epoch = 1;
  /** Set while it is not closed: no probe before this time. */
  #probeAtMs: number | undefined;
  #probeSinceMs: number | undefined;
  #failedProbes = 0;

  constructor(
    private readonly clock: Clock,
    private readonly random: RandomSource,
    private readonly options: BreakerOptions = BREAKER_DEFAULTS,
  ) {
    this.#slotMs = options.windowMs / SLOTS;
    this.#slot = Math.floor(clock.monotonicMs() / this.#slotMs);
  }

  get state(): BreakerState {
    if (this.#probeAtMs === undefined) return 'closed';
    return this.clock.monotonicMs() >= this.#probeAtMs ? 'half-open' : 'open';
  }

  /** Whether {@link tryPass} would give a permit now. Changes nothing. */
  get passable(): boolean {
    return this.#probeAtMs === undefined || (this.state === 'half-open' && !this.#probing());
  }

  /** Milliseconds until the next probe may pass; 0 if something may pass now. */
  get waitMs(): number {
    if (this.#probeAtMs === undefined) return 0;
    return Math.max(0, this.#probeAtMs - this.clock.monotonicMs());
  }

  /** Asks to pass. Half-open, only one caller gets a permit until its outcome is known. */
  tryPass(): Permit | undefined {
    if (this.#probeAtMs === undefined) return this.#epoch;
    if (!this.passable) return undefined;
    this.#epoch += 1;
    this.#probeSinceMs = this.clock.monotonicMs();
    return this.#epoch;
  }

  /** What passed went well. */
  succeeded(permit: Permit): void {
    if (permit !== this.#epoch) return;
    this.#consecutive = 0;
    if (this.#probeAtMs !== undefined) this.#close();
    this.#count(this.#successes);
  }

  /** What passed failed by the other side's fault. */
  failed(permit: Permit): void {
    if (permit !== this.#epoch) return;
    if (this.#probeAtMs !== undefined) {
      this.#failedProbes = Math.min(this.#failedProbes + 1, DOUBLINGS_MAX);
      return this.#open();
    }
    this.#count(this.#failures);
    this.#consecutive += 1;
    if (this.#consecutive >= this.options.consecutiveMax || this.#tooManyFailures()) this.#open();
  }

  /** What passed ended without telling anything about the other side: its caller left. */
  released(permit: Permit): void {
    if (permit === this.#epoch) this.#probeSinceMs = undefined;
  }

  /** Opens it for `ms` whatever the counts say; then one probe may pass. */
  trip(ms: number): void {
    this.#epoch += 1;
    this.#consecutive = 0;
    this.#probeSinceMs = undefined;
    this.#probeAtMs = this.clock.monotonicMs() + ms;
  }

  #open(): void {
    const { openMs, openMsMax } = this.options;
    this.trip(jittered(Math.min(openMs * 2 ** this.#failedProbes, openMsMax), JITTER, this.random));
  }

  #close(): void {
    this.#epoch += 1;
    this.#probeAtMs = undefined;
    this.#probeSinceMs = undefined;
    this.#failedProbes = 0;
    this.#successes.fill(0);
    this.#failures.fill(0);
  }

  #probing(): boolean {
    return (
      this.#probeSinceMs !== undefined &&
      this.clock.monotonicMs() - this.#probeSinceMs < this.options.probeMsMax
    );
  }

  #count(counts: Uint32Array): void {
    this.#forgetOld();
    counts[this.#slot % SLOTS]! += 1;
  }

  #forgetOld(): void {
    const slot = Math.floor(this.clock.monotonicMs() / this.#slotMs);
    const stale = Math.min(SLOTS, slot - this.#slot);
    for (let step = 1; step <= stale; step += 1) {
      this.#successes[(this.#slot + step) % SLOTS] = 0;
      this.#failures[(this.#slot + step) % SLOTS] = 0;
    }
    this.#slot = slot;
  }

  #tooManyFailures(): boolean {
    const failures = this.#failures.reduce((sum, count) => sum + count, 0);
    const samples = failures + this.#successes.reduce((sum, count) => sum + count, 0);
    return samples >= this.options.samplesMin && failures >= samples * this.options.failureShare;
  }
}
