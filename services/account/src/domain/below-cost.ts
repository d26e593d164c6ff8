import { CatalogIndex, type Catalog } from '@tunan/contracts';
import type { Nano } from '@tunan/kernel';

/** One kind of token that a channel serves for less than it costs us. Amounts are per million tokens. */
export interface BelowCost {
  readonly model: string;
  readonly channel: string;
  readonly tokens: 'input' | 'cachedInput' | 'output';
  readonly price: Nano;
  readonly cost: Nano;
}

const TOKENS = ['input', 'cachedInput', 'output'] as const;

/**
 * What a catalog would sell below cost, channel by channel. Whoever serves, the price is the model's, so a backup can
 * be dearer than what it stands in for. Channels whose cost is not known are left out.
 */
export const soldBelowCost = (catalog: Catalog): readonly BelowCost[] => {
  const index = new CatalogIndex({ version: 0, catalog });
  return catalog.channels.flatMap(({ id, model, cost }) => {
    if (cost === undefined) return [];
    const price = index.price(model)!;
    const costs = { ...cost, cachedInput: cost.cachedInput ?? cost.input };
    return TOKENS.filter((tokens) => price[tokens] < costs[tokens]).map((tokens) => ({
      model,
      channel: id,
      tokens,
      price: price[tokens],
      cost: costs[tokens],
    }));
  });
};
