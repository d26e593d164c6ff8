import { authContract, billingContract } from '@tunan/contracts';
import { CatalogView, createNestContext, type ServiceDefinition } from '@tunan/service-kit';
import { OpenExchanges } from './chat/open-exchanges.js';
import { ingressConfig } from './ingress.config.js';
import { ingressModule } from './ingress.module.js';
import { LoopDelay } from './loop-delay.js';
import { PublicApi } from './public-api.js';

/** Time that interrupted exchanges have to settle and say goodbye, in milliseconds. */
const GRACE_MS = 5_000;

/** The public API: parsing, validation, errors, streaming to the client. */
export const ingress: ServiceDefinition<typeof ingressConfig> = {
  name: 'ingress',
  config: ingressConfig,
  requires: [authContract, billingContract],
  stages: () => ['router'],
  postgres: false,
  async start(context) {
    const app = await createNestContext(ingressModule(context), context);
    const catalog = app.get(CatalogView);
    const exchanges = app.get(OpenExchanges);
    const api = app.get(PublicApi);
    const loopDelay = app.get(LoopDelay);
    catalog.start();
    exchanges.start();
    loopDelay.start();
    return {
      contracts: [],
      stages: {},
      surfaces: [await api.surface()],
      drain: (timeoutMs) => exchanges.drain(timeoutMs, GRACE_MS),
      async stop() {
        catalog.stop();
        exchanges.stop();
        loopDelay.stop();
        await api.close();
        await app.close();
      },
    };
  },
};
