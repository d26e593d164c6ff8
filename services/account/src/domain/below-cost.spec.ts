import { describe, expect, it } from '@jest/globals';
import { catalog, type CatalogWire } from '@tunan/contracts';
import { parseUsd } from '@tunan/kernel';
import { soldBelowCost } from './below-cost.js';

type Price = CatalogWire['models'][number]['price'];

const sold = (price: Price, ...costs: (Price | undefined)[]) =>
  soldBelowCost(
    catalog.parse({
      models: [
        {
          id: 'm',
          ownedBy: 'qwen',
          kind: 'chat',
          created: 0,
          contextTokens: 1,
          outputTokensMax: 1,
          outputTokensDefault: 1,
          price,
        },
      ],
      aliases: {},
      channels: costs.map((cost, index) => ({
        id: `c${index}`,
        model: 'm',
        provider: 'qwen',
        upstreamModel: 'm',
        ...(cost === undefined ? {} : { cost: { ...cost, source: 'list', asOf: '2026-06-01' } }),
      })),
      tiers: { free: { rpm: 1, tpm: 1, concurrency: 1 }, paid: { rpm: 1, tpm: 1, concurrency: 1 } },
      signupGrant: '0',
      topUps: [],
    }),
  );

describe('soldBelowCost', () => {
  it('lists every kind of token that costs more than its price, by channel', () => {
    expect(
      sold(
        { input: '0.20', output: '0.40' },
        { input: '0.15', output: '0.60' },
        { input: '0.3', output: '0.4' },
      ),
    ).toEqual([
      { model: 'm', channel: 'c0', tokens: 'output', price: parseUsd('0.40'), cost: parseUsd('0.60') },
      { model: 'm', channel: 'c1', tokens: 'input', price: parseUsd('0.20'), cost: parseUsd('0.3') },
      { model: 'm', channel: 'c1', tokens: 'cachedInput', price: parseUsd('0.20'), cost: parseUsd('0.3') },
    ]);
  });

  it('takes a cached token for a usual one where nothing else is said, on both sides', () => {
    expect(
      sold({ input: '1', cachedInput: '0.1', output: '1' }, { input: '0.5', output: '1' }),
    ).toMatchObject([{ tokens: 'cachedInput' }]);
    expect(sold({ input: '1', output: '1' }, { input: '1', cachedInput: '0.1', output: '1' })).toEqual([]);
  });

  it('says nothing of what is sold at cost, or of a channel whose cost is not known', () => {
    expect(sold({ input: '1', output: '1' }, { input: '1', output: '1' }, undefined)).toEqual([]);
  });
});
