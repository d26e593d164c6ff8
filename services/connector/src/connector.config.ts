import { z } from 'zod';
import { configSchema, credential, integer, type ConfigOf, type Secret } from '@tunan/config';
import { PROVIDER_IDS, type ProviderId } from '@tunan/contracts';

const baseUrl = () =>
  z
    .url({ protocol: /^https?$/ })
    .transform((url) => url.replace(/\/+$/, ''))
    .optional();

const providers = z
  .string()
  .default(PROVIDER_IDS.join(','))
  .transform((list) => list.split(',').map((name) => name.trim()))
  .pipe(z.array(z.enum(PROVIDER_IDS)).min(1));

/** Settings of the connectors. A provider without a key has no channels. */
export const connectorConfig = configSchema({
  /** Providers that this process serves, separated by commas. */
  CONNECTOR_PROVIDERS: providers,
  /** Connections to each provider, which bound its calls under way. */
  CONNECTOR_CONNECTIONS_MAX: integer(1, 100_000).default(2_000),
  DEEPSEEK_API_KEY: credential().optional(),
  DASHSCOPE_API_KEY: credential().optional(),
  ZHIPU_API_KEY: credential().optional(),
  MINIMAX_API_KEY: credential().optional(),
  /** Base URLs with the path of the API, for other regions and test servers. */
  DEEPSEEK_BASE_URL: baseUrl(),
  DASHSCOPE_BASE_URL: baseUrl(),
  ZHIPU_BASE_URL: baseUrl(),
  MINIMAX_BASE_URL: baseUrl(),
});
export type ConnectorConfig = ConfigOf<typeof connectorConfig>;

/** The credential and base URL that are set for a provider. */
export const providerSettings = (
  config: ConnectorConfig,
  provider: ProviderId,
): { readonly apiKey: Secret | undefined; readonly baseUrl: string | undefined } => {
  switch (provider) {
    case 'deepseek':
      return { apiKey: config.DEEPSEEK_API_KEY, baseUrl: config.DEEPSEEK_BASE_URL };
    case 'qwen':
      return { apiKey: config.DASHSCOPE_API_KEY, baseUrl: config.DASHSCOPE_BASE_URL };
    case 'glm':
      return { apiKey: config.ZHIPU_API_KEY, baseUrl: config.ZHIPU_BASE_URL };
    case 'minimax':
      return { apiKey: config.MINIMAX_API_KEY, baseUrl: config.MINIMAX_BASE_URL };
  }
};
