import { Fault, type Clock } from '@tunan/kernel';
import { RecentMap } from './recent-map.js';

/** A body up to this size costs hardly more than its refusal: it is neither measured nor refused here. */
export const SMALL_BODY_BYTES = 16 * 1024;
/** Part of this process's time that an account's refused requests may take in the long run. */
const SHARE = 0.05;
/** What they may take beyond that at once, in milliseconds. */
const BURST_MS = 500;
/** No debt keeps an account out for more than a minute: what is promised of every `Retry-After`. */
const DEBT_MS_MAX = BURST_MS + 60_000 * SHARE;
const ACCOUNTS_MAX = 10_000;
const MICROSECONDS_PER_MS = 1_000;

interface Debt {
  /** CPU time that counted at `atMs`, in milliseconds. */
  readonly cpuMs: number;
  readonly atMs: number;
}

/** CPU time that this thread has used, in milliseconds: what else runs on the machine does not count. */
const threadCpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / MICROSECONDS_PER_MS;
};

/**
 * Bounds the work on requests that lead to nothing. Limits are decided once a request was read, parsed and estimated, so
 * whoever is beyond them, or sends what is none, makes the process work all the same. An account that has made it work too
 * much for nothing may send no large body for a while; small ones, and what is served, are no concern of this.
 */
export class RefusedWork {
  /** By account, in order of the last refusal. */
  readonly #debts = new RecentMap<Debt>(ACCOUNTS_MAX);

  /** @param cpuMs CPU time used so far, in milliseconds */
  constructor(
    private readonly clock: Clock,
    private readonly cpuMs: () => number = threadCpuMs,
  ) {}

  /**
   * Lets an account send a large body.
   * @throws Fault `rate_limit_exceeded` if those before have cost too much for nothing
   */
  enter(accountId: string): void {
    const excessMs = this.#debtMs(accountId) - BURST_MS;
    if (excessMs <= 0) return;
    throw new Fault(
      'rate_limit_exceeded',
      'Rate limit reached: too many large requests that were refused. Wait, or send smaller ones.',
      { retryAfterMs: Math.ceil(excessMs / SHARE) },
    );
  }

  /** Runs work, and returns what counts it against an account if it was for nothing. */
  measure(accountId: string, work: () => void): () => void {
    const beforeMs = this.cpuMs();
    work();
    const cpuMs = this.cpuMs() - beforeMs;
    return () => this.#count(accountId, cpuMs);
  }

  #count(accountId: string, cpuMs: number): void {
    const debtMs = Math.min(this.#debtMs(accountId) + cpuMs, DEBT_MS_MAX);
    this.#debts.put(accountId, { cpuMs: debtMs, atMs: this.clock.monotonicMs() });
  }

  #debtMs(accountId: string): number {
    const debt = this.#debts.get(accountId);
    return debt === undefined ? 0 : Math.max(0, debt.cpuMs - (this.clock.monotonicMs() - debt.atMs) * SHARE);
  }
}
