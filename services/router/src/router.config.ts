import { z } from 'zod';
import { configSchema, integer, type ConfigOf } from '@tunan/config';
import { PROVIDER_IDS } from '@tunan/contracts';

/** Settings of the router. */
export const routerConfig = configSchema({
  /** Attempts per request, the first one included. */
  ROUTER_ATTEMPTS_MAX: integer(1, 5).default(3),
  /** Providers that have a connector in this installation, separated by commas; channels of others are left out. */
  ROUTER_PROVIDERS: z
    .string()
    .default(PROVIDER_IDS.join(','))
    .transform((list) => list.split(',').map((name) => name.trim()))
    .pipe(z.array(z.enum(PROVIDER_IDS)).min(1)),
});
export type RouterConfig = ConfigOf<typeof routerConfig>;
