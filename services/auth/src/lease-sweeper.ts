import { chargeLost } from './domain/charge.js';
import type { PriceBook } from './ports/price-book.js';
import type { AdmissionStore } from './store/admission-store.js';

/** Holds of one look, and tombstones of one purge. */
const BATCH = 200;
/** Looks of one sweep, so that a sweep ends. */
const BATCHES_MAX = 50;

/** What one sweep did. */
export interface SweepReport {
  /** Requests that were settled as lost. */
  readonly lost: number;
  /** Tombstones that were forgotten. */
  readonly purged: number;
}

/**
 * Ends requests whose process died: a hold whose lease has run out is settled as `lost`, by the rule for it. The
 * store decides whether the lease has really run out, so two sweepers, or one that is late, do no harm. Also forgets
 * what ended long ago.
 */
export class LeaseSweeper {
  constructor(
    private readonly store: Pick<AdmissionStore, 'expiredHolds' | 'settle' | 'purge'>,
    private readonly prices: PriceBook,
  ) {}

  /** @throws Fault where a hold could not be settled; it is met again by the next sweep */
  async sweep(): Promise<SweepReport> {
    const purged = await this.#purge();
    return { lost: await this.#settleLost(), purged };
  }

  async #settleLost(): Promise<number> {
    let lost = 0;
    for (let batch = 0; batch < BATCHES_MAX; batch += 1) {
      const expired = await this.store.expiredHolds(BATCH);
      const results = await Promise.all(
        expired.map(({ hold, deliveredTokens }) => this.#settle(hold, deliveredTokens)),
      );
      lost += results.filter((result) => result.outcome === 'settled' && !result.repeated).length;
      if (expired.length < BATCH) break;
    }
    return lost;
  }

  async #settle(hold: Parameters<typeof chargeLost>[0], deliveredTokens: number) {
    const { price } = await this.prices.terms(hold.catalogVersion, hold.model);
    const charge = chargeLost(hold, deliveredTokens, price);
    return this.store.settle({
      kind: 'lost',
      outcome: 'lost',
      hold,
      charge,
      price,
      served: null,
      traceparent: null,
    });
  }

  async #purge(): Promise<number> {
    let purged = 0;
    for (let batch = 0; batch < BATCHES_MAX; batch += 1) {
      const forgotten = await this.store.purge(BATCH);
      purged += forgotten;
      if (forgotten < BATCH) break;
    }
    return purged;
  }
}
