import type { ChildProcess } from 'node:child_process';
import { pauseBeforeRetry, type Cluster } from './cluster.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import { freePort, LOOPBACK } from './free-port.js';
import { readPostmaster, stopPostmaster, waitUntil } from './postmaster.js';

/**
 * Settings of the embedded server. Durability stays as PostgreSQL has it; memory and processes are sized for one
 * host; no socket file, because its path may not be longer than about a hundred bytes.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: LOOPBACK,
  unix_socket_directories: '',
  max_connections: '50',
  shared_buffers: '32MB',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  max_wal_size: '256MB',
  io_method: 'sync',
  jit: 'off',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] ',
  TimeZone: 'UTC',
  log_timezone: 'UTC',
};

/** Starts that may fail for a reason that passes: the port was lost to somebody, an old server's memory is still held. */
const PASSING =
  /Address already in use|could not create any TCP\/IP sockets|pre-existing shared memory block/;

/** How long a server that did not get ready in time may take to stop in order. */
const ABANDON_MS = 1_000;

/** Starts the server and waits until it accepts connections. */
export const startServer = async (
  cluster: Cluster,
  options: {
    readonly port: number | undefined;
    readonly timeoutMs: number;
    readonly settings: Readonly<Record<string, string>>;
  },
): Promise<{ pid: number; port: number }> => {
  const deadlineMs = performance.now() + options.timeoutMs;
  for (;;) {
    const port = options.port ?? (await freePort());
    const { server, log } = await cluster.spawnServer({
      ...SETTINGS,
      ...options.settings,
      port: String(port),
    });
    const outcome = await becomesReady(server, cluster.dataDir, deadlineMs - performance.now());
    if (outcome.ready) return { pid: outcome.pid, port };
    const complaint = (await log.lastComplaint()) || outcome.reason;
    if (!PASSING.test(complaint) || performance.now() >= deadlineMs)
      throw new EmbeddedPostgresError(`PostgreSQL did not start: ${complaint}`);
    await pauseBeforeRetry();
  }
};

type Outcome =
  { readonly ready: true; readonly pid: number } | { readonly ready: false; readonly reason: string };

/** Waits for a server that was just spawned. One that is not ready in time is stopped. */
const becomesReady = async (server: ChildProcess, dataDir: string, timeoutMs: number): Promise<Outcome> => {
  const ending = watchEnding(server);
  const { pid } = server;
  const isSettled = async (): Promise<boolean> => {
    if (ending.reason !== undefined) return true;
    const found = await readPostmaster(dataDir);
    return found?.ready === true && found.pid === pid;
  };
  let settled = false;
  try {
    settled = await waitUntil(isSettled, Math.max(0, timeoutMs));
  } finally {
    if (!settled && pid !== undefined) await stopPostmaster(pid, ABANDON_MS);
  }
  if (!settled) return { ready: false, reason: 'it was not ready in time' };
  return ending.reason === undefined && pid !== undefined
    ? { ready: true, pid }
    : { ready: false, reason: ending.reason ?? 'it has no process' };
};

/** How a server ended before it was ready; `reason` stays undefined while it runs. */
const watchEnding = (server: ChildProcess): { reason: string | undefined } => {
  const ending: { reason: string | undefined } = { reason: undefined };
  server.once('error', (error) => (ending.reason = error.message));
  server.once('exit', (code, signal) => (ending.reason = `it ended with ${code ?? signal ?? 'unknown'}`));
  return ending;
};
