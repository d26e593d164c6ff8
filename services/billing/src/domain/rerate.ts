import type { CatalogIndex, RatingDifference, RatingFault, UsageEvent } from '@tunan/contracts';
import { priceOf, type Nano, type TokenPrice } from '@tunan/kernel';

/** What the ledger says about one request. */
export interface RatedCharge {
  readonly eventId: string;
  readonly accountId: string;
  /** Null: the ledger has a charge, but not its event. */
  readonly event: UsageEvent | null;
  readonly charged: Nano;
}

/** A charge beside what its catalog snapshot says. */
export interface Rerating {
  /** Price of the snapshot × usage of the event, as far as flags let it be charged; null if that can't be told. */
  readonly rerated: Nano | null;
  /**
   * Set if the charge is not price × usage, with faults or with the flags that explain it; and always where the provider
   * reported what cannot be, for a person to look at.
   */
  readonly difference: RatingDifference | null;
}

/** Flags with which a charge is below price × usage by rule: how far is known only to the settlement. */
const LOWERING = ['clamped', 'overrun'];

/**
 * Prices one charge again from the catalog snapshot that its event names. The ledger must have taken what the event
 * states, and the event must state price × usage, to the nano-dollar; except that an answer with an error status is
 * free (`uncharged`), and that a charge may be lower where the usage was impossible (`clamped`) or credit did not
 * reach (`overrun`).
 */
export const rerate = (charge: RatedCharge, snapshot: CatalogIndex | undefined): Rerating => {
  const { eventId, accountId, event, charged } = charge;
  if (event === null) {
    const difference = { eventId, accountId, charged, stated: null, rerated: null, flags: [] };
    return { rerated: null, difference: { ...difference, faults: ['event'] } };
  }
  const { model, usage, cost: stated, flags, price } = event.data;
  const own = snapshot?.price(model);
  const full = own === undefined ? null : priceOf(usage, own);
  const faults: RatingFault[] = [];
  if (own === undefined) faults.push('unpriced');
  else if (!samePrice(own, price)) faults.push('price');
  if (full !== null && !isExplained(stated, full, flags)) faults.push('cost');
  if (charged !== stated) faults.push('ledger');
  const rerated = full !== null && faults.length === 0 ? stated : full;
  if (faults.length === 0 && full === stated && !flags.includes('clamped'))
    return { rerated, difference: null };
  return {
    rerated,
    difference: { eventId, accountId, faults, charged, stated, rerated: full, flags: [...flags] },
  };
};

const samePrice = (a: TokenPrice, b: TokenPrice): boolean =>
  a.input === b.input && a.cachedInput === b.cachedInput && a.output === b.output;

const isExplained = (stated: Nano, full: Nano, flags: readonly string[]): boolean => {
  if (flags.includes('uncharged')) return stated === 0n;
  return stated === full || (stated < full && stated >= 0n && LOWERING.some((flag) => flags.includes(flag)));
};
