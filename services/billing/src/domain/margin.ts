import type { CatalogIndex, ProviderId, UsageEvent } from '@tunan/contracts';
import { priceOf, type Nano } from '@tunan/kernel';

/** What usage was sold for, and what it cost us. */
export interface Margin {
  readonly charged: Nano;
  readonly cost: Nano;
}

/**
 * What the usage of an event cost us by the snapshot that it was sold under: the list price of the channel that
 * served it, and whose that is. Undefined where no channel did, or its cost is not known.
 */
export const upstreamCost = (
  { data }: UsageEvent,
  snapshot: CatalogIndex | undefined,
): { readonly provider: ProviderId; readonly cost: Nano } | undefined => {
  const channel = snapshot?.channels(data.model).find(({ id }) => id === data.channel);
  if (channel?.cost === undefined) return undefined;
  const { input, cachedInput = input, output } = channel.cost;
  return { provider: channel.provider, cost: priceOf(data.usage, { input, cachedInput, output }) };
};
