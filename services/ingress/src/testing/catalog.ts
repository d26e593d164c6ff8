import { CatalogIndex, catalog, type CatalogWire } from '@tunan/contracts';

const price = { input: '0.20', output: '0.40' };
const chat = {
  kind: 'chat' as const,
  created: 1_780_790_400,
  contextTokens: 128_000,
  outputTokensMax: 65_536,
  outputTokensDefault: 8_192,
  price,
};

const wire: CatalogWire = {
  models: [
    { ...chat, id: 'deepseek-chat', ownedBy: 'deepseek', capabilities: ['tools'] },
    { ...chat, id: 'deepseek-reasoner', ownedBy: 'deepseek', thinking: 'always' },
    { ...chat, id: 'qwen3.5-flash', ownedBy: 'qwen' },
    { ...chat, id: 'qwen-vl-max', ownedBy: 'qwen', capabilities: ['vision'] },
    { ...chat, id: 'minimax-m3', ownedBy: 'minimax' },
    { ...chat, id: 'minimax-m2.5', ownedBy: 'minimax', thinking: 'always' },
    { ...chat, id: 'glm-4-plus', ownedBy: 'glm', thinking: 'switchable' },
    {
      id: 'text-embedding-v3',
      ownedBy: 'qwen',
      kind: 'embedding',
      created: 1_780_790_400,
      contextTokens: 8_192,
      outputTokensMax: 0,
      outputTokensDefault: 0,
      dimensions: [1_024, 512],
      price,
    },
  ],
  aliases: { 'gpt-4o': 'deepseek-chat', 'gpt-4o-2024-08-06': 'deepseek-chat', o1: 'deepseek-reasoner' },
  aliasPrefixes: ['openai/', 'deepseek/', 'minimax/'],
  channels: [],
  tiers: { free: { rpm: 60, tpm: 1, concurrency: 5 }, paid: { rpm: 60, tpm: 1, concurrency: 10 } },
  signupGrant: '0.50',
  topUps: [],
};

/** A small catalog with a model of every kind. */
export const testCatalog = new CatalogIndex({
  version: 7,
  catalog: catalog.parse({
    ...wire,
    channels: wire.models.map(({ id, ownedBy }) => ({
      id: `${id}.${ownedBy}`,
      model: id,
      provider: ownedBy,
      upstreamModel: id,
    })),
  }),
});
