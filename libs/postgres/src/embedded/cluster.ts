import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  access,
  chmod,
  constants,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findBinaries, type Binaries } from './binaries.js';
import { EmbeddedPostgresError, errnoCode } from './embedded-postgres-error.js';
import { chooseRunAs, handOver, type RunAs } from './run-as.js';

/** The database superuser. It owns everything; embedded mode has no other. */
export const SUPERUSER = 'tunan';

/** Major version of the binaries, and so of the data that they can read. */
const MAJOR_VERSION = '18';

const INITDB_TIMEOUT_MS = 60_000;
const LOG_BYTES_MAX = 1024 * 1024;

/** Nothing of the host's environment, which holds secrets, reaches the server. */
const ENVIRONMENT = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' };

/** The files of an embedded server: `data` (PostgreSQL's own), `password`, `postgres.log` and `lock`. */
export class Cluster {
  readonly dataDir: string;
  readonly #logPath: string;
  readonly #binaries: Binaries;
  readonly #runAs: RunAs;
  readonly password: string;

  private constructor(folder: string, binaries: Binaries, runAs: RunAs, password: string) {
    this.dataDir = join(folder, 'data');
    this.#logPath = join(folder, 'postgres.log');
    this.#binaries = binaries;
    this.#runAs = runAs;
    this.password = password;
  }

  /** Makes sure that the folder is there and ours to write. */
  static async prepareFolder(folder: string): Promise<void> {
    try {
      // Other users may pass through, because the server may be one; what lies inside is closed to them.
      await makeFolder(folder);
      await access(folder, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw new EmbeddedPostgresError(
        `can't write to ${folder} (${errnoCode(error) ?? 'unknown'}); choose another folder`,
        {
          cause: error,
        },
      );
    }
  }

  /** Opens the cluster of a folder, and creates it if there is none. */
  static async open(folder: string): Promise<Cluster> {
    const binaries = await findBinaries();
    const dataDir = join(folder, 'data');
    const isNew = !(await exists(dataDir));
    const runAs = await chooseRunAs(dataDir, [folder, join(binaries.postgres, '..')]);
    const passwordPath = join(folder, 'password');
    if (isNew && !(await exists(passwordPath))) await writePassword(passwordPath);
    const password = await readPassword(passwordPath);
    // initdb reads it, as the user that the server runs as.
    await handOver(passwordPath, runAs.user);
    const cluster = new Cluster(folder, binaries, runAs, password);
    if (isNew) await cluster.#initialise(folder, passwordPath);
    await cluster.#checkVersion();
    return cluster;
  }

  /**
   * Starts the server in a session of its own, so that a Ctrl-C meant for the host does not end the database before
   * the host has flushed. It outlives a killed host; the next start finds it.
   */
  async spawnServer(
    settings: Readonly<Record<string, string>>,
  ): Promise<{ server: ChildProcess; log: LogReader }> {
    const { size } = await stat(this.#logPath).catch(() => ({ size: 0 }));
    if (size > LOG_BYTES_MAX) await rename(this.#logPath, `${this.#logPath}.1`);
    const log = await open(this.#logPath, 'a', 0o600);
    try {
      await handOver(this.#logPath, this.#runAs.user);
      const reader = new LogReader(this.#logPath, (await log.stat()).size);
      const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
      const server = this.#spawn(this.#binaries.postgres, ['-D', this.dataDir, ...flags], {
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      });
      server.unref();
      return { server, log: reader };
    } finally {
      await log.close();
    }
  }

  /** The data folder appears whole or not at all: an interrupted first start leaves nothing that looks initialised. */
  async #initialise(folder: string, passwordPath: string): Promise<void> {
    const building = `${this.dataDir}.new`;
    await rm(building, { recursive: true, force: true });
    await mkdir(building, { mode: 0o700 });
    await handOver(building, this.#runAs.user);
    await this.#initdb([
      `--pgdata=${building}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordPath}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
    ]);
    await rename(building, this.dataDir);
    const directory = await open(folder, 'r');
    await directory.sync().finally(() => directory.close());
  }

  async #initdb(args: readonly string[]): Promise<void> {
    const initdb = this.#spawn(this.#binaries.initdb, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    initdb.stderr
      ?.setEncoding('utf8')
      .on('data', (text: string) => (complaint = (complaint + text).slice(-2_000)));
    const timer = setTimeout(() => initdb.kill('SIGKILL'), INITDB_TIMEOUT_MS);
    const ending = await new Promise<string>((resolve) => {
      initdb.once('error', (error) => resolve(error.message));
      initdb.once('close', (code, signal) => resolve(code === 0 ? '' : `${code ?? signal ?? 'unknown'}`));
    });
    clearTimeout(timer);
    if (ending !== '') {
      const reason = complaint.trim().split('\n').at(-1) ?? '';
      throw new EmbeddedPostgresError(
        `can't initialise PostgreSQL in ${this.dataDir}: ${reason || `initdb ended with ${ending}`}`,
      );
    }
  }

  async #checkVersion(): Promise<void> {
    const version = (await readFile(join(this.dataDir, 'PG_VERSION'), 'utf8').catch(() => '')).trim();
    if (version !== MAJOR_VERSION)
      throw new EmbeddedPostgresError(
        `${this.dataDir} holds data of PostgreSQL ${version || '(unknown)'}, this is ${MAJOR_VERSION}; dump and restore it, or move it away`,
      );
  }

  #spawn(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    const { user, prefix } = this.#runAs;
    const command = [...prefix, program, ...args];
    // A prefix changes the user itself, keeping what a plain change of user would drop.
    const identity = prefix.length === 0 && user !== undefined ? user : {};
    return spawn(command[0]!, command.slice(1), { ...options, ...identity, cwd: '/', env: ENVIRONMENT });
  }
}

/** What a server has written to its log since its start. */
export class LogReader {
  constructor(
    private readonly path: string,
    private readonly offset: number,
  ) {}

  /** The last complaint of the server, or an empty text. Bounded. */
  async lastComplaint(): Promise<string> {
    const file = await open(this.path, 'r').catch(() => undefined);
    if (file === undefined) return '';
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(64 * 1024), 0, 64 * 1024, this.offset);
      const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
      return (
        lines.findLast((line) => /\b(FATAL|PANIC):/.test(line))?.replace(/^.*?(?=FATAL|PANIC)/, '') ??
        lines.findLast((line) => line !== '') ??
        ''
      );
    } finally {
      await file.close();
    }
  }
}

/** Waits a little before a start is tried again. */
export const pauseBeforeRetry = (): Promise<void> => sleep(100);

/** Like a recursive mkdir, which in Node never returns on a file system that refuses folders with ENOENT (/proc). */
const makeFolder = async (folder: string): Promise<void> => {
  try {
    await mkdir(folder, { mode: 0o711 });
  } catch (error) {
    if (errnoCode(error) === 'EEXIST') return;
    if (errnoCode(error) !== 'ENOENT' || folder === dirname(folder) || (await exists(dirname(folder))))
      throw error;
    await makeFolder(dirname(folder));
    await makeFolder(folder);
  }
};

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const writePassword = async (path: string): Promise<void> => {
  const building = `${path}.new`;
  await writeFile(building, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
  await chmod(building, 0o600);
  await rename(building, path);
};

const readPassword = async (path: string): Promise<string> => {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    throw new EmbeddedPostgresError(
      `can't read ${path} (${errnoCode(error) ?? 'unknown'}), the password of the data beside it`,
      {
        cause: error,
      },
    );
  }
};
