import { CatalogIndex, type Catalog, type CatalogChannel } from '@tunan/contracts';

/** A channel of `deepseek-chat`. */
export const aChannel = (over: Partial<CatalogChannel> = {}): CatalogChannel => ({
  id: 'deepseek-chat.deepseek',
  model: 'deepseek-chat',
  provider: 'deepseek',
  upstreamModel: 'deepseek-flash',
  priority: 0,
  weight: 100,
  thinking: false,
  billsAfterCancel: false,
  unstreamedTokensMax: 8_192,
  timeouts: {
    connectMs: 5_000,
    firstContentMs: 60_000,
    idleMs: 60_000,
    unaryFirstByteMs: 120_000,
    totalMs: 600_000,
  },
  ...over,
});

/** A catalog that has these channels. */
export const aCatalog = (channels: readonly CatalogChannel[], version = 1): CatalogIndex =>
  new CatalogIndex({
    version,
    catalog: { models: [], aliases: {}, channels: [...channels] } as unknown as Catalog,
  });
