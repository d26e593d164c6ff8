import type { CatalogIndex, RatingDifference, RatingFault, UsageEvent } from '@tunan/contracts';
import { maxNano, minNano, priceOf, type Nano, type TokenPrice } from '@tunan/kernel';

/** What the ledger says about one request. */
export interface RatedCharge {
  readonly eventId: string;
  readonly accountId: string;
  /** Null: the ledger has a charge, but not its event, or one that can't be read. */
  readonly event: UsageEvent | null;
  readonly charged: Nano;
}

/** A charge beside what its catalog snapshot says. */
export interface Rerating {
  /** What the rules charge for the event's usage at the snapshot's price; null if that can't be told. */
  readonly rerated: Nano | null;
  /**
   * Set if the charge is not price × usage, with faults or with the flags that explain it; and always where the provider
   * reported what cannot be, for a person to look at.
   */
  readonly difference: RatingDifference | null;
}

/** Flags with which a charge may be below price × usage by rule; the event's `means` say how far. */
const LOWERING = ['clamped', 'overrun'];

/**
 * Prices one charge again from the catalog snapshot that its event names. The ledger must have taken what the event
 * states, and the event must state price × usage, to the nano-dollar; except that nothing is charged where the client got
 * nothing that it can use (see `isFree`), that impossible usage (`clamped`) costs the hold at most, and that what credit did not reach to
 * (`overrun`) is not charged.
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
  const due = full === null ? null : dueOf(full, event.data);
  if (due !== stated && due !== null) faults.push('cost');
  if (charged !== stated) faults.push('ledger');
  if (faults.length === 0 && full === stated && !flags.includes('clamped'))
    return { rerated: due, difference: null };
  return {
    rerated: due,
    difference: { eventId, accountId, faults, charged, stated, rerated: full, flags: [...flags] },
  };
};

const samePrice = (a: TokenPrice, b: TokenPrice): boolean =>
  a.input === b.input && a.cachedInput === b.cachedInput && a.output === b.output;

/**
 * The charging rules once more, for usage that costs this much in full. Events of before `means` was said can only be
 * believed: any lower cost is explained by their flags.
 */
const dueOf = (full: Nano, data: UsageEvent['data']): Nano => {
  const { flags, means, cost: stated } = data;
  if (isFree(data)) return 0n;
  if (!LOWERING.some((flag) => flags.includes(flag))) return full;
  if (means === undefined) return stated >= 0n ? minNano(full, stated) : full;
  const most = flags.includes('overrun') ? maxNano(means.hold, means.reach ?? means.hold) : means.hold;
  return minNano(full, most);
};

/**
 * The rule of the charges that are nothing, whatever the usage: the request failed, or its answer is not a stream and did
 * not come whole. This is the only place that excuses a charge; the flag `uncharged` says so and proves nothing.
 */
const isFree = ({ outcome, stream }: UsageEvent['data']): boolean =>
  outcome === 'failed' || (!stream && outcome !== 'completed');
