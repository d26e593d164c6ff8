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

/** A host from its spawn on. */
class StartingHost {
  readonly child: ChildProcess;
  readonly #readyFile: string;
  #output = '';
  readonly ended: Promise<void>;
  hasEnded = false;

  constructor({ dataDir, args = [], env = {}, mode = 'embedded' }: HostProcessOptions) {
    this.#readyFile = join(dataDir, `ready-${process.pid}-${Math.trunc(performance.now())}.json`);
    const ports = args.includes('--port') ? [] : ['--port', '0'];
    const files = ['--data-dir', dataDir, '--ready-file', this.#readyFile];
    this.child = spawn(process.execPath, [HOST_ENTRY, '--mode', mode, ...files, ...ports, ...args], {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...NO_SHEDDING, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const collect = (chunk: Buffer): void =>
      void (this.#output = (this.#output + chunk.toString()).slice(-100_000));
    this.child.stdout!.on('data', collect);
    this.child.stderr!.on('data', collect);
    this.ended = new Promise((resolve) => this.child.once('exit', () => resolve()));
    void this.ended.then(() => (this.hasEnded = true));
  }

  /** All that the host printed, its last 100,000 characters. */
  get output(): string {
    return this.#output;
  }

  get isReady(): boolean {
    return existsSync(this.#readyFile);
  }

  /** What the host wrote when it was ready. */
  get facts(): ReadyFacts {
    return JSON.parse(readFileSync(this.#readyFile, 'utf8')) as ReadyFacts;
  }
}

/** A running host in a process of its own, from the build that is shipped. */
export class HostProcess {
  readonly facts: ReadyFacts;

  private constructor(
    private readonly started: StartingHost,
    readonly dataDir: string,
  ) {
    this.facts = started.facts;
  }

  /**
   * Starts a host and waits for its ready file.
   * @throws Error with what the host printed, if it ends or takes too long
   */
  static async start(options: HostProcessOptions): Promise<HostProcess> {
    const host = new StartingHost(options);
    try {
      await eventually(
        'the host is ready',
        () => host.isReady || host.hasEnded,
        options.startTimeoutMs ?? START_TIMEOUT_MS,
      );
      if (!host.isReady) throw new Error('the host ended');
    } catch (error) {
      host.child.kill('SIGKILL');
      throw new Error(`${(error as Error).message}; it printed:\n${host.output}`);
    }
    return new HostProcess(host, options.dataDir);
  }

  /**
   * Starts a host, and ends it as a crash would `afterMs` milliseconds later, ready or not.
   * @returns whether it was ready by then
   * @throws Error with what the host printed, if it ended by itself
   */
  static async startAndKill(options: HostProcessOptions, afterMs: number): Promise<boolean> {
    const host = new StartingHost(options);
    await Promise.race([host.ended, new Promise((resolve) => setTimeout(resolve, afterMs))]);
    if (host.hasEnded) throw new Error(`the host ended by itself; it printed:\n${host.output}`);
    const { isReady } = host;
    host.child.kill('SIGKILL');
    await host.ended;
    return isReady;
  }

  /** All that the host printed, its last 100,000 characters. */
  get printed(): string {
    return this.started.output;
  }

  get child(): ChildProcess {
    return this.started.child;
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
