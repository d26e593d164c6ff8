import { createNestContext, serviceModule, type ServiceDefinition } from '@tunan/service-kit';
import { connectorConfig } from './connector.config.js';
import { Connectors } from './connectors.js';

/** The connectors: one provider's dialect, credential and connections each, behind the stage `connector/<provider>`. */
export const connector: ServiceDefinition<typeof connectorConfig> = {
  name: 'connector',
  config: connectorConfig,
  requires: [],
  postgres: false,
  async start(context) {
    const nest = await createNestContext(
      serviceModule([{ provide: Connectors, useFactory: () => new Connectors(context) }]),
      context,
    );
    const connectors = nest.get(Connectors);
    return {
      contracts: [],
      stages: connectors.stages,
      surfaces: [],
      drain: (timeoutMs) => connectors.drain(timeoutMs),
      stop: async () => {
        await connectors.close();
        await nest.close();
      },
    };
  },
};
