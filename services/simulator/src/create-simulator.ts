import type { ConfigOf } from '@tunan/config';
import type { Clock } from '@tunan/kernel';
import { LogFile } from './serving/log-file.js';
import { ServedLog } from './serving/served-log.js';
import { Simulator } from './serving/simulator.js';
import type { simulatorConfig } from './simulator-config.js';

/**
 * Builds a simulator.
 * @throws Error if the log file can't be opened
 */
export const createSimulator = (
  config: ConfigOf<typeof simulatorConfig>,
  clock: Clock,
  dataDir: string,
): Simulator => {
  const file = config.SIMULATOR_LOG_FILE ? new LogFile(dataDir, config.SIMULATOR_LOG_FILE_BYTES) : undefined;
  return new Simulator(clock, new ServedLog(clock, file, config.SIMULATOR_LOG_ENTRIES), {
    openCallsMax: config.SIMULATOR_OPEN_CALLS_MAX,
    defaults: {
      ...(config.SIMULATOR_FIRST_DELAY_MS > 0 && { first_delay_ms: config.SIMULATOR_FIRST_DELAY_MS }),
      ...(config.SIMULATOR_CHUNK_DELAY_MS > 0 && { chunk_delay_ms: config.SIMULATOR_CHUNK_DELAY_MS }),
    },
  });
};
