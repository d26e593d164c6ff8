import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configSchema, environment, integer, readConfig } from '@tunan/config';
import { SystemClock } from '@tunan/kernel';
import { z } from 'zod';
import { createSimulator } from './create-simulator.js';
import { listen } from './listen.js';
import { simulatorConfig } from './simulator-config.js';

/**
 * The simulator as a process of its own, for tests that kill the gateway's host and for load tests that give each
 * side a core. Prints `{"url":"http://127.0.0.1:…"}` once it listens; ends on SIGTERM or SIGINT.
 */
const schema = configSchema({
  ...simulatorConfig.shape,
  /** 0 takes a free port. */
  SIMULATOR_PORT: integer(0, 65_535).default(0),
  SIMULATOR_DATA_DIR: z.string().default(join(tmpdir(), 'tunan-simulator')),
});

const config = readConfig(schema, environment());
const running = await listen(
  createSimulator(config, new SystemClock(), config.SIMULATOR_DATA_DIR),
  config.SIMULATOR_PORT,
);
process.stdout.write(`${JSON.stringify({ url: running.url })}\n`);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void running.stop());
