import { chargeLost } from './domain/charge.js';
import { haveOnePrice, type HeldTerms } from './domain/hold.js';
import type { ExpiredHold, SettlementResult } from './domain/operations.js';
import type { ModelTerms, PriceBook } from './ports/price-book.js';
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
 * store decides whether the lease has really run out, so two sweepers, or one that is late, do no harm. A hold whose
 * price can't be read keeps what it holds until that can be read, and keeps nobody else's. Also forgets what ended
 * long ago.
 */
export class LeaseSweeper {
  /** @param onUnpriced told, once a sweep, of every model whose price in a catalog snapshot could not be read */
  constructor(
    private readonly store: Pick<AdmissionStore, 'expiredHolds' | 'settle' | 'purge'>,
    private readonly prices: PriceBook,
    private readonly onUnpriced: (error: Error) => void,
  ) {}

  /** @throws Fault where the store could not be asked; what is left is met again by the next sweep */
  async sweep(): Promise<SweepReport> {
    const purged = await this.#purge();
    return { lost: await this.#settleLost(), purged };
  }

  async #settleLost(): Promise<number> {
    const unpriced: HeldTerms[] = [];
    let lost = 0;
    for (let batch = 0; batch < BATCHES_MAX; batch += 1) {
      const expired = await this.store.expiredHolds(BATCH, unpriced);
      const results = await Promise.all(expired.map((each) => this.#settle(each, unpriced)));
      lost += results.filter((result) => result?.outcome === 'settled' && !result.repeated).length;
      if (expired.length < BATCH) break;
    }
    return lost;
  }

  async #settle(
    { hold, deliveredTokens }: ExpiredHold,
    unpriced: HeldTerms[],
  ): Promise<SettlementResult | undefined> {
    const terms = await this.#termsOf(hold, unpriced);
    if (terms === undefined) return undefined;
    const charge = chargeLost(hold, deliveredTokens, terms.price);
    return this.store.settle({
      kind: 'lost',
      outcome: 'lost',
      hold,
      charge,
      price: terms.price,
      served: null,
      traceparent: null,
    });
  }

  async #termsOf(
    { catalogVersion, model }: HeldTerms,
    unpriced: HeldTerms[],
  ): Promise<ModelTerms | undefined> {
    try {
      return await this.prices.terms(catalogVersion, model);
    } catch (cause) {
      const terms = { catalogVersion, model };
      if (!unpriced.some((known) => haveOnePrice(known, terms))) {
        unpriced.push(terms);
        const message = `no price of ${model} in catalog ${catalogVersion}: its lost requests go on holding credit`;
        this.onUnpriced(new Error(message, { cause }));
      }
      return undefined;
    }
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
