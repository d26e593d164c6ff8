import { catalog, type CatalogSnapshot, type CatalogWire } from '@tunan/contracts';

/** A catalog in which one model is sold. */
export const aCatalogWire = (
  price = { input: '0.20', cachedInput: '0.02', output: '0.40' },
): CatalogWire => ({
  models: [
    {
      id: 'deepseek-chat',
      ownedBy: 'deepseek',
      kind: 'chat',
      created: 1_700_000_000,
      contextTokens: 128_000,
      outputTokensMax: 8_192,
      outputTokensDefault: 4_096,
      price,
    },
  ],
  aliases: {},
  channels: [{ id: 'main', model: 'deepseek-chat', provider: 'deepseek', upstreamModel: 'deepseek-chat' }],
  tiers: {
    free: { rpm: 60, tpm: 500_000, concurrency: 5 },
    paid: { rpm: 60, tpm: 500_000, concurrency: 10 },
  },
  signupGrant: '0.50',
  topUps: [],
});

/** A snapshot of {@link aCatalogWire}. */
export const aCatalogSnapshot = (
  version: number,
  price?: Parameters<typeof aCatalogWire>[0],
): CatalogSnapshot => ({
  version,
  catalog: catalog.parse(aCatalogWire(price)),
});
