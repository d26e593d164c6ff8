import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceName } from '@tunan/contracts';
import type { CancelTimer } from '@tunan/kernel';
import type { Listener } from '@tunan/service-kit';
import {
  createLogger,
  Health,
  type HttpSurface,
  type Logger,
  type ServiceContext,
  type ServiceDefinition,
  type ServiceInstance,
} from '@tunan/service-kit';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { Bindings } from './bindings.js';
import type { HostOptions } from './host-options.js';
import { openListeners, type Listeners } from './listeners.js';
import { OpsSurface } from './ops-surface.js';
import { Peers } from './peers.js';
import { Postgres } from './postgres.js';
import { internalTokens } from './tokens.js';

const PUBLIC_CLOSE_MS = 5_000;
const INTERNAL_CLOSE_MS = 1_000;
/** Longest time that one part gets to flush and close. */
const STEP_MS_MAX = 15_000;

/** Waiting times of an orderly stop where they are not set, in milliseconds. */
const DRAIN_DEFAULTS: Readonly<
  Record<HostOptions['mode'], { readonly delayMs: number; readonly maxMs: number }>
> = {
  embedded: { delayMs: 0, maxMs: 10_000 },
  production: { delayMs: 5_000, maxMs: 300_000 },
};

/**
 * One process: any set of services, and what a process has once — listeners, shared handles, order of start and stop.
 */
export class Host {
  readonly health = new Health();
  readonly logger: Logger;
  readonly #metrics = new Registry();
  readonly #running: { readonly name: ServiceName; readonly instance: ServiceInstance }[] = [];
  #listeners: Listeners | undefined;
  #peers: Peers | undefined;
  #postgres: Postgres | undefined;
  #starting: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  constructor(private readonly options: HostOptions) {
    const { settings, mode } = options;
    this.logger = createLogger(settings.host.LOG_LEVEL ?? (mode === 'embedded' ? 'warn' : 'info'));
    collectDefaultMetrics({ register: this.#metrics });
    // Libraries like to install handlers of their own, which would race an orderly stop: more than one is a defect.
    new Gauge({
      name: 'tunan_signal_listeners',
      help: 'Handlers of a signal in this process',
      labelNames: ['signal'],
      registers: [this.#metrics],
      collect() {
        for (const signal of ['SIGTERM', 'SIGINT']) this.set({ signal }, process.listenerCount(signal));
      },
    });
  }

  /** Base URLs of the listeners that are open. */
  get urls(): Listeners['urls'] {
    return this.#listeners!.urls;
  }

  /** What an SDK takes as its base URL; undefined where this process does not serve the public API. */
  get apiUrl(): string | undefined {
    return this.urls.public === undefined ? undefined : `${this.urls.public}/v1`;
  }

  /** True from the first call of {@link stop}. */
  get stopping(): boolean {
    return this.#stopped !== undefined;
  }

  /**
   * Opens the listeners, then starts every service. Readiness comes by itself when what they need is there. Told to stop
   * meanwhile, it starts nothing more and resolves.
   */
  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  /** Stops in order: no new requests, running ones end, services flush, shared handles close. Later calls join the first. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #start(): Promise<void> {
    const { definitions, settings, clock, progress } = this.options;
    const targets = definitions.map(({ name }) => name);
    this.#peers = new Peers(settings.host, this.health, clock);
    const tokens = internalTokens(settings.host, this.options.internalToken);
    const bindings = new Bindings(targets, this.#peers, tokens, clock);
    this.#listeners = await openListeners(this.options, Bindings.hasOutsideCallers(targets));
    this.#mountOps();
    this.#listeners.internal?.mount('/', bindings.handle);
    this.#listeners.internal?.open();
    this.#writeRunFile();
    if (definitions.some(({ postgres }) => postgres)) {
      progress(settings.host.DATABASE_URL === undefined ? 'Starting PostgreSQL' : 'Connecting to PostgreSQL');
      const context = { health: this.health, logger: this.logger, clock, stopping: () => this.stopping };
      this.#postgres = await Postgres.open(settings.host, this.options.dataDir, context);
    }
    for (const definition of definitions) {
      if (this.stopping) return;
      await this.#startService(definition, bindings);
    }
    this.#listeners.public?.open();
    this.#listeners.simulator?.open();
  }

  async #stop(): Promise<void> {
    this.health.startDraining();
    // What is half started can't be stopped; its failure is told by whoever started it.
    await this.#starting?.catch(() => undefined);
    const { settings, mode, clock } = this.options;
    const defaults = DRAIN_DEFAULTS[mode];
    const drainMs = settings.host.DRAIN_MS_MAX ?? defaults.maxMs;
    await clock.sleep(settings.host.DRAIN_DELAY_MS ?? defaults.delayMs);
    const closingPublic = this.#listeners?.public?.close(drainMs + PUBLIC_CLOSE_MS);
    for (const { name, instance } of this.#running.toReversed()) {
      await this.#guard(name, () => instance.drain(drainMs), drainMs + STEP_MS_MAX);
      await this.#guard(name, () => instance.stop());
    }
    await closingPublic;
    await Promise.all([
      this.#listeners?.internal?.close(INTERNAL_CLOSE_MS),
      this.#listeners?.simulator?.close(INTERNAL_CLOSE_MS),
      this.#peers?.close(),
    ]);
    await this.#guard('postgres', async () => this.#postgres?.close());
    await this.#listeners?.ops.close(INTERNAL_CLOSE_MS);
    rmSync(join(this.options.dataDir.path, 'host.json'), { force: true });
    this.options.dataDir.release();
    this.logger.flush();
  }

  async #startService(definition: ServiceDefinition, bindings: Bindings): Promise<void> {
    const { name } = definition;
    this.options.progress(`Starting ${name}`);
    const { clock, mode, dataDir, settings } = this.options;
    const context: ServiceContext = {
      config: settings.services.get(name)!,
      mode,
      clock,
      logger: this.logger.child({ service: name }),
      metrics: this.#metrics,
      health: this.health,
      dataDir: dataDir.folder(name),
      port: (contract) => bindings.port(name, contract),
      stage: (stage) => bindings.stage(name, stage),
      postgres: () => {
        if (!definition.postgres || this.#postgres === undefined)
          throw new Error(`${name} does not declare postgres`);
        return this.#postgres.pool;
      },
      simulatorUrl: this.#listeners!.simulatorUrl,
    };
    const instance = await definition.start(context);
    this.#running.push({ name, instance });
    bindings.provide(instance);
    for (const surface of instance.surfaces) this.#mount(surface);
  }

  #mount({ listener, prefixes, handle, trustedProxies }: HttpSurface): void {
    const to = this.#listeners![listener];
    for (const prefix of prefixes) to?.mount(prefix, handle);
    if (trustedProxies !== undefined) to?.trust(trustedProxies);
  }

  #mountOps(): void {
    const ops: Listener = this.#listeners!.ops;
    const surface = new OpsSurface(this.health, this.#metrics);
    for (const prefix of OpsSurface.PREFIXES)
      ops.mount(prefix, (request, response) => surface.handle(request, response));
    ops.open();
  }

  /** How the command line finds this host; readable by its owner alone, because it holds the operator token. */
  #writeRunFile(): void {
    const { dataDir, operatorToken } = this.options;
    const run = { pid: process.pid, opsUrl: this.urls.ops, apiUrl: this.apiUrl, operatorToken };
    writeFileSync(join(dataDir.path, 'host.json'), `${JSON.stringify(run)}\n`, { mode: 0o600 });
  }

  /** One part that can't stop cleanly, or not in time, must not keep the others from it. */
  async #guard(name: string, step: () => Promise<void>, timeoutMs = STEP_MS_MAX): Promise<void> {
    let cancel: CancelTimer | undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = this.options.clock.after(timeoutMs, () => reject(new Error(`not within ${timeoutMs} ms`)));
    });
    try {
      await Promise.race([step(), late]);
    } catch (error) {
      this.logger.error({ part: name, err: error }, 'did not stop cleanly');
    } finally {
      cancel?.();
    }
  }
}
