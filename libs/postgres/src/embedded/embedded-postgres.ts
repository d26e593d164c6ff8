import { join, resolve } from 'node:path';
import { realpath } from 'node:fs/promises';
import pg from 'pg';
import { Cluster, SUPERUSER } from './cluster.js';
import { FolderLock } from './folder-lock.js';
import { freePort, LOOPBACK } from './free-port.js';
import {
  isAlive,
  readPostmaster,
  removeStalePidFile,
  servesFolder,
  stopPostmaster,
  waitUntil,
} from './postmaster.js';
import { startServer } from './start-server.js';

export interface EmbeddedPostgresOptions {
  /** Folder of the server's files; made if it is missing. One process at a time may use it. */
  readonly dir: string;
  /** Loopback port. A free one by default, another one at every start. */
  readonly port?: number;
  /** Bound of a start, crash recovery included. */
  readonly startTimeoutMs?: number;
  /** How long a fast shutdown may take before it becomes an immediate one. */
  readonly stopTimeoutMs?: number;
  /** Further server settings; they win over ours. */
  readonly settings?: Readonly<Record<string, string>>;
}

const DATABASE = 'tunan';
/** The database that every cluster has. */
const MAINTENANCE_DATABASE = 'postgres';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * A PostgreSQL server for one host on one machine: real, durable, reachable on loopback only, nothing to install.
 * No signal or exit handler is registered: the host calls `stop`. A host that was killed leaves the server running,
 * and the next start adopts it.
 */
export class EmbeddedPostgres {
  #stopping: Promise<void> | undefined;

  private constructor(
    private readonly lock: FolderLock,
    private readonly stopTimeoutMs: number,
    /** Connection URL of the database `tunan`, password included. */
    readonly url: string,
    readonly port: number,
    readonly pid: number,
    /** True if the server was found running. */
    readonly adopted: boolean,
  ) {}

  /**
   * Starts the server of a folder, or adopts it if it still runs.
   * @throws EmbeddedPostgresError with one line that says what to do
   */
  static async start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    const folder = resolve(options.dir);
    await Cluster.prepareFolder(folder);
    const lock = FolderLock.acquire(join(folder, 'lock'), folder);
    try {
      return await startLocked(folder, options, (server) => {
        const url = connectionUrl(server.password, server.port, DATABASE);
        const { port, pid, adopted } = server;
        return new EmbeddedPostgres(lock, options.stopTimeoutMs ?? STOP_TIMEOUT_MS, url, port, pid, adopted);
      });
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Stops the server and waits for it, within bounds. Committed data is safe either way. Harmless the second time. */
  stop(): Promise<void> {
    this.#stopping ??= stopPostmaster(this.pid, this.stopTimeoutMs).finally(() => this.lock.release());
    return this.#stopping;
  }

  /** True while the server's process exists. */
  isRunning(): Promise<boolean> {
    return isAlive(this.pid);
  }
}

interface RunningServer {
  readonly password: string;
  readonly port: number;
  readonly pid: number;
  readonly adopted: boolean;
}

const startLocked = async <T>(
  folder: string,
  options: EmbeddedPostgresOptions,
  handle: (server: RunningServer) => T,
): Promise<T> => {
  const startTimeoutMs = options.startTimeoutMs ?? START_TIMEOUT_MS;
  const cluster = await Cluster.open(folder);
  const { password } = cluster;
  const found = await adopt(cluster, options.port, startTimeoutMs, options.stopTimeoutMs ?? STOP_TIMEOUT_MS);
  if (found !== undefined) {
    await ensureDatabase(password, found.port);
    return handle({ ...found, password, adopted: true });
  }
  // An explicit port that is taken is worth its own message; a free one may be lost to somebody until the server has it.
  if (options.port !== undefined) await freePort(options.port);
  const started = await startServer(cluster, {
    port: options.port,
    timeoutMs: startTimeoutMs,
    settings: options.settings ?? {},
  });
  try {
    await ensureDatabase(password, started.port);
  } catch (error) {
    await stopPostmaster(started.pid, STOP_TIMEOUT_MS);
    throw error;
  }
  return handle({ ...started, password, adopted: false });
};

/** Takes over the server that a killed host left, if it answers as ours; otherwise clears it out of the way. */
const adopt = async (
  cluster: Cluster,
  wantedPort: number | undefined,
  startTimeoutMs: number,
  stopTimeoutMs: number,
): Promise<{ pid: number; port: number } | undefined> => {
  const { dataDir } = cluster;
  const left = await readPostmaster(dataDir);
  if (left === undefined) return undefined;
  if (!(await servesFolder(left.pid, dataDir))) {
    await removeStalePidFile(dataDir);
    return undefined;
  }
  if (wantedPort === undefined || wantedPort === left.port) {
    // It may be in the middle of its own start or recovery.
    await waitUntil(
      async () => (await readPostmaster(dataDir))?.ready === true || !(await isAlive(left.pid)),
      startTimeoutMs,
    );
    const server = await readPostmaster(dataDir);
    if (server?.ready === true && (await answersAsOurs(cluster, server.port)))
      return { pid: server.pid, port: server.port };
  }
  await stopPostmaster(left.pid, stopTimeoutMs);
  await removeStalePidFile(dataDir);
  return undefined;
};

const answersAsOurs = async (cluster: Cluster, port: number): Promise<boolean> => {
  try {
    return await withClient(connectionUrl(cluster.password, port, MAINTENANCE_DATABASE), async (client) => {
      const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
      return (
        rows[0] !== undefined &&
        (await realpath(rows[0].data_directory)) === (await realpath(cluster.dataDir))
      );
    });
  } catch {
    return false;
  }
};

const ensureDatabase = (password: string, port: number): Promise<void> =>
  withClient(connectionUrl(password, port, MAINTENANCE_DATABASE), async (client) => {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  });

const withClient = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: 30_000,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

const connectionUrl = (password: string, port: number, database: string): string =>
  `postgres://${SUPERUSER}:${password}@${LOOPBACK}:${port}/${database}`;
