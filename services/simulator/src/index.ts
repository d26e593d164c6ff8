import type { Clock } from '@tunan/kernel';
import type { ServiceDefinition } from '@tunan/service-kit';
import { createSimulator } from './create-simulator.js';
import { PREFIXES, type Simulator } from './serving/simulator.js';
import { simulatorConfig } from './simulator-config.js';

const POLL_MS = 20;

/** Resolves once no call is open, at the latest after `timeoutMs`. */
const drain = async (instance: Simulator, clock: Clock, timeoutMs: number): Promise<void> => {
  const endMs = clock.monotonicMs() + timeoutMs;
  while (instance.openCount > 0 && clock.monotonicMs() < endMs) await clock.sleep(POLL_MS);
};

/** Plays the four providers over HTTP. It starts in mode `embedded` only: nothing it says is worth money. */
export const simulator: ServiceDefinition<typeof simulatorConfig> = {
  name: 'simulator',
  config: simulatorConfig,
  requires: [],
  postgres: false,
  async start(context) {
    if (context.mode !== 'embedded') throw new Error('the simulator starts in mode embedded only');
    const instance = createSimulator(context.config, context.clock, context.dataDir);
    return {
      contracts: [],
      stages: {},
      surfaces: [
        {
          listener: 'simulator',
          prefixes: PREFIXES,
          handle: (request, response) => instance.handle(request, response),
        },
      ],
      drain: (timeoutMs) => drain(instance, context.clock, timeoutMs),
      async stop() {
        instance.stop();
        instance.log.close();
      },
    };
  },
};
