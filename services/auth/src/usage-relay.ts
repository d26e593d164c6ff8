import type { CancelTimer, Clock } from '@tunan/kernel';
import type { UsageSink } from './ports/usage-sink.js';
import type { AdmissionStore } from './store/admission-store.js';

/** Settings of a {@link UsageRelay}. */
export interface RelayOptions {
  /** Most events of one delivery. */
  readonly batchMax: number;
  /** How long to gather after being woken, so that a delivery carries more than one event. */
  readonly lingerMs: number;
  /** How often to look without being woken: another process may have settled. */
  readonly idleMs: number;
  /** Pause after a failure, doubled at each further one up to the bound. */
  readonly backOffMs: { readonly first: number; readonly most: number };
  /** Uniform in [0, 1): spreads the retries of several relays. */
  readonly random: () => number;
  readonly onDelivered: (events: number) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Moves usage events from the store's outbox to where they are billed, in order, one delivery at a time per shard.
 * At least once: an event leaves the outbox only after its delivery was confirmed, so a crash between the two
 * repeats it, and its id makes the repetition harmless.
 */
export class UsageRelay {
  readonly #shards: Shard[];

  constructor(
    private readonly store: Pick<AdmissionStore, 'shards' | 'readOutbox' | 'ackOutbox'>,
    private readonly sink: UsageSink,
    private readonly clock: Clock,
    private readonly options: RelayOptions,
  ) {
    this.#shards = Array.from({ length: store.shards }, (_, shard) => new Shard(this, shard, clock, options));
  }

  /** Runs until `stop`. */
  start(): void {
    for (const shard of this.#shards) shard.start();
  }

  /** Something was settled. */
  wake(): void {
    for (const shard of this.#shards) shard.wake();
  }

  /** Delivers what is in the outbox; gives up at the first failure and after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    const deadlineMs = this.clock.monotonicMs() + timeoutMs;
    await Promise.all(this.#shards.map((shard) => shard.drain(deadlineMs)));
  }

  /** Resolves when no delivery is under way; none is begun. */
  async stop(): Promise<void> {
    await Promise.all(this.#shards.map((shard) => shard.stop()));
  }

  /**
   * One delivery of one shard.
   * @returns number of events that were delivered and acknowledged
   */
  async deliverOnce(shard: number): Promise<number> {
    const entries = await this.store.readOutbox(shard, this.options.batchMax);
    const last = entries.at(-1);
    if (last === undefined) return 0;
    await this.sink.deliver(entries.map(({ event }) => event));
    await this.store.ackOutbox(shard, last.seq);
    this.options.onDelivered(entries.length);
    return entries.length;
  }
}

/** The loop of one outbox. */
class Shard {
  #delivering: Promise<number> | undefined;
  #timer: CancelTimer | undefined;
  #woken = false;
  #failures = 0;
  #running = false;

  constructor(
    private readonly relay: Pick<UsageRelay, 'deliverOnce'>,
    private readonly shard: number,
    private readonly clock: Clock,
    private readonly options: RelayOptions,
  ) {}

  start(): void {
    this.#running = true;
    this.#schedule(0);
  }

  wake(): void {
    // While a delivery is under way or a failure is waited out, this is remembered and nothing more.
    if (this.#woken) return;
    this.#woken = true;
    if (this.#running && this.#delivering === undefined && this.#failures === 0)
      this.#schedule(this.options.lingerMs);
  }

  async drain(deadlineMs: number): Promise<void> {
    while (
      this.clock.monotonicMs() < deadlineMs &&
      (await this.#deliver()) !== 'idle' &&
      this.#failures === 0
    );
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#timer?.();
    await this.#delivering?.catch(() => undefined);
  }

  async #run(): Promise<void> {
    this.#woken = false;
    const outcome = await this.#deliver();
    if (!this.#running) return;
    if (outcome === 'full') this.#schedule(0);
    else if (outcome === 'failed') this.#schedule(this.#backOffMs());
    else this.#schedule(this.#woken ? this.options.lingerMs : this.options.idleMs);
  }

  /** One delivery, or the one that is under way already. */
  async #deliver(): Promise<'full' | 'some' | 'idle' | 'failed'> {
    this.#delivering ??= this.relay.deliverOnce(this.shard).finally(() => {
      this.#delivering = undefined;
    });
    try {
      const delivered = await this.#delivering;
      this.#failures = 0;
      if (delivered === 0) return 'idle';
      return delivered >= this.options.batchMax ? 'full' : 'some';
    } catch (error) {
      this.#failures += 1;
      this.options.onError(error);
      return 'failed';
    }
  }

  #schedule(delayMs: number): void {
    this.#timer?.();
    this.#timer = this.clock.after(delayMs, () => void this.#run());
  }

  #backOffMs(): number {
    const { first, most } = this.options.backOffMs;
    const pauseMs = Math.min(most, first * 2 ** Math.min(this.#failures - 1, 20));
    return pauseMs * (0.5 + this.options.random() / 2);
  }
}
