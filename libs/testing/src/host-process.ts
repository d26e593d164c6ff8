import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.js';
import { HOST_ENTRY } from './repository.js';

/** What a host writes into its ready file. */
export interface ReadyFacts {
  readonly apiUrl: string | null;
  readonly opsUrl: string;
  readonly apiKey: string | null;
  readonly simulatorUrl: string | null;
}

/** How a host is started. */
export interface HostProcessOptions {
  readonly dataDir: string;
  /** Further arguments; ports are free ones unless given. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default `embedded`. */
  readonly mode?: 'embedded' | 'production';
  readonly startTimeoutMs?: number;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
/** Machines that run tests are busy with other tests: a late event loop there is no reason to refuse requests. */
const NO_SHEDDING = { INGRESS_LOOP_DELAY_MS_MAX: '60000' };

/** A running host in a process of its own, from the build that is shipped. */
export class HostProcess {
  private constructor(
    readonly child: ChildProcess,
    readonly dataDir: string,
    readonly facts: ReadyFacts,
    private readonly output: () => string,
  ) {}

  /**
   * Starts a host and waits for its ready file.
   * @throws Error with what the host printed, if it ends or takes too long
   */
  static async start(options: HostProcessOptions): Promise<HostProcess> {
    const { dataDir, args = [], env = {}, mode = 'embedded', startTimeoutMs = START_TIMEOUT_MS } = options;
    const readyFile = join(dataDir, `ready-${process.pid}-${Math.trunc(performance.now())}.json`);
    const ports = args.includes('--port') ? [] : ['--port', '0'];
    const child = spawn(
      process.execPath,
      [HOST_ENTRY, '--mode', mode, '--data-dir', dataDir, '--ready-file', readyFile, ...ports, ...args],
      {
        env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...NO_SHEDDING, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let output = '';
    const collect = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-100_000));
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    let ended = false;
    child.once('exit', () => (ended = true));
    try {
      await eventually('the host is ready', () => existsSync(readyFile) || ended, startTimeoutMs);
      if (!existsSync(readyFile)) throw new Error('the host ended');
    } catch (error) {
      child.kill('SIGKILL');
      throw new Error(`${(error as Error).message}; it printed:\n${output}`);
    }
    const facts = JSON.parse(readFileSync(readyFile, 'utf8')) as ReadyFacts;
    return new HostProcess(child, dataDir, facts, () => output);
  }

  /** All that the host printed, its last 100,000 characters. */
  get printed(): string {
    return this.output();
  }

  /** Stops the host as an operator would and returns its exit code. */
  async stop(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGTERM');
    return this.#exited();
  }

  /** Ends the host as a crash would. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#exited();
  }

  async #exited(): Promise<number | null> {
    await eventually(
      'the host ends',
      () => this.child.exitCode !== null || this.child.signalCode !== null,
      STOP_TIMEOUT_MS,
    );
    return this.child.exitCode;
  }
}
