/** Every service of the platform, in alphabetical order. A service is also a target of the host. */
export const SERVICE_NAMES = [
  'account',
  'auth',
  'billing',
  'connector',
  'ingress',
  'router',
  'simulator',
] as const;

export type ServiceName = (typeof SERVICE_NAMES)[number];

/** The upstream providers. */
export const PROVIDER_IDS = ['deepseek', 'qwen', 'glm', 'minimax'] as const;

export type ProviderId = (typeof PROVIDER_IDS)[number];
