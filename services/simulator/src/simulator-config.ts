import { configSchema, flag, integer } from '@tunan/config';

/** Settings of the simulator. */
export const simulatorConfig = configSchema({
  /** Entries of the log that are kept in memory for queries. */
  SIMULATOR_LOG_ENTRIES: integer(100, 200_000).default(50_000),
  /** Whether the log is also a file, `served.jsonl`, in the service's folder. */
  SIMULATOR_LOG_FILE: flag().default(true),
  /** Size at which the file is put aside and a new one begun. */
  SIMULATOR_LOG_FILE_BYTES: integer(65_536, 4_294_967_296).default(268_435_456),
  /** Calls answered at a time. */
  SIMULATOR_OPEN_CALLS_MAX: integer(1, 5_000).default(5_000),
  /** Time to the first output, and between chunks, where neither directive nor script says. */
  SIMULATOR_FIRST_DELAY_MS: integer(0, 60_000).default(0),
  SIMULATOR_CHUNK_DELAY_MS: integer(0, 60_000).default(0),
});
