import type { CancelTimer, Clock } from '@tunan/kernel';

/** A request that has been admitted and is not settled. */
export interface OpenExchange {
  /** Called about four times a second with the monotonic time: renewals, keep-alives, stalled writes. */
  tick(nowMs: number): void;
  /** Ends the exchange because the process stops. */
  interrupt(): void;
}

const TICK_MS = 250;

/** All exchanges under way. One timer serves them all, however many there are. */
export class OpenExchanges {
  readonly #open = new Set<OpenExchange>();
  /** Requests whose handling has begun, admitted or not yet: draining waits for them as well. */
  #running = 0;
  #cancel: CancelTimer | undefined;
  #emptied: (() => void) | undefined;

  constructor(private readonly clock: Clock) {}

  /** Counts one request until `work` ends, so that the process does not stop between its admission and its exchange. */
  async during(work: () => Promise<void>): Promise<void> {
    this.#running += 1;
    try {
      await work();
    } finally {
      this.#running -= 1;
      this.#ended();
    }
  }

  get size(): number {
    return this.#open.size;
  }

  start(): void {
    this.#cancel = this.clock.after(TICK_MS, () => {
      const nowMs = this.clock.monotonicMs();
      for (const exchange of this.#open) exchange.tick(nowMs);
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  add(exchange: OpenExchange): void {
    this.#open.add(exchange);
  }

  delete(exchange: OpenExchange): void {
    this.#open.delete(exchange);
    this.#ended();
  }

  get #empty(): boolean {
    return this.#open.size === 0 && this.#running === 0;
  }

  #ended(): void {
    if (this.#empty) this.#emptied?.();
  }

  /** Resolves when none is left. Those that still run after `timeoutMs` are interrupted and given `graceMs` to settle. */
  async drain(timeoutMs: number, graceMs: number): Promise<void> {
    if (await this.#emptyWithin(timeoutMs)) return;
    for (const exchange of this.#open) exchange.interrupt();
    await this.#emptyWithin(graceMs);
  }

  async #emptyWithin(ms: number): Promise<boolean> {
    if (this.#empty) return true;
    return new Promise((resolve) => {
      const cancel = this.clock.after(ms, () => resolve(false));
      this.#emptied = () => {
        cancel();
        resolve(true);
      };
    });
  }
}
