import type { Secret } from '@tunan/config';
import { SERVICE_NAMES, type ServiceName } from '@tunan/contracts';
import type { Settings } from './settings.js';

/**
 * The tokens of each calling service: the first is sent, all are accepted, so that a token can be rotated. Without
 * any a service can neither call nor be called over the network.
 */
export const internalTokens = (
  settings: Settings['host'],
  fallback: string | undefined,
): Readonly<Record<ServiceName, readonly string[]>> => {
  const configured = settings as unknown as Readonly<Record<string, Secret | undefined>>;
  const tokensOf = (name: ServiceName): readonly string[] => {
    const text = configured[`INTERNAL_TOKEN_${name.toUpperCase()}`]?.reveal();
    if (text !== undefined)
      return text
        .split(',')
        .map((token) => token.trim())
        .filter(Boolean);
    // A shared token would let any process act as any service: it is for one person's machine only.
    return fallback === undefined ? [] : [`${name}:${fallback}`];
  };
  return Object.fromEntries(SERVICE_NAMES.map((name) => [name, tokensOf(name)])) as Record<
    ServiceName,
    readonly string[]
  >;
};
