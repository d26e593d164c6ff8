import type { Clock } from '@tunan/kernel';
import { StoreTime } from './store-time.js';

/**
 * What a store knows for as long as its file is open and the file does not say. It outlives memory, which is read from
 * the file again after a commit that failed.
 */
export class StoreLife {
  readonly time: StoreTime;
  /** What was admitted before this was not seen by this life of the store from its beginning. */
  readonly openedAtMs: number;
  /** Requests whose settlement has lapsed in its commit, until that it is unmade is at rest. */
  readonly lapsed = new Set<string>();
  /** Until then holds that a lost file had may still come back with their renewals. */
  #completeAtMs: number;

  /**
   * @param latestMs latest time of an earlier life
   * @param returnMs how long holds may take to come back; 0 if the file has them all
   * @param unverified accounts of whose state at rest Postgres was not read yet; they are cold
   */
  constructor(
    clock: Clock,
    latestMs: number,
    returnMs: number,
    readonly unverified: Set<string>,
  ) {
    this.time = new StoreTime(clock, latestMs);
    this.openedAtMs = this.time.nowMs();
    this.#completeAtMs = this.openedAtMs + returnMs;
  }

  /** How long it takes until every hold that is still in use is here; 0 if they are. */
  incompleteMs(): number {
    return Math.max(0, this.#completeAtMs - this.time.nowMs());
  }

  /** Every hold that is in use is here: there never was another file. */
  complete(): void {
    this.#completeAtMs = this.openedAtMs;
  }
}
