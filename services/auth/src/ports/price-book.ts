import type { ChargeTerms } from '../domain/charge.js';
import type { HoldTerms } from '../domain/hold.js';

/** What a catalog snapshot says about a model, as far as money is concerned. */
export interface ModelTerms extends HoldTerms, ChargeTerms {}

/** Prices of every catalog snapshot. */
export abstract class PriceBook {
  /**
   * Terms of a model in the snapshot of this number. At once where the snapshot was used before.
   * @throws Fault `service_unavailable` if the snapshot can't be read now, `model_not_found` if it lacks the model
   */
  abstract terms(catalogVersion: number, model: string): ModelTerms | Promise<ModelTerms>;
}
