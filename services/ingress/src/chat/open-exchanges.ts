import type { CancelTimer, Clock } from '@tunan/kernel';

/** A request that has been admitted and is not settled. */
export interface OpenExchange {
  /** Where {@link OpenExchanges} has it. */
  place: number;
  /** Called about four times a second with the monotonic time: renewals, keep-alives, stalled writes. */
  tick(nowMs: number): void;
  /** Ends the exchange because the process stops. */
  interrupt(): void;
}

/** Place of what is not among the open exchanges. */
export const NOWHERE = -1;

const TICK_MS = 250;

/**
 * All exchanges under way. One timer serves them all, however many there are.
 *
 * A plain array that never gets shorter, because a table that is replaced is a trap for the collector: the old one keeps
 * what was in it, and where it has reached the old generation that is every request of the moment with all that belongs
 * to it, until the next major collection. Sets and shrinking arrays are replaced all the time.
 */
export class OpenExchanges {
  /** The first {@link size} places are taken. */
  readonly #open: (OpenExchange | undefined)[] = [];
  #size = 0;
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
    return this.#size;
  }

  start(): void {
    this.#cancel = this.clock.after(TICK_MS, () => {
      const nowMs = this.clock.monotonicMs();
      // Backwards: what ends meanwhile is replaced by one that has had its turn.
      for (let place = this.#size - 1; place >= 0; place -= 1) this.#open[place]?.tick(nowMs);
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  add(exchange: OpenExchange): void {
    exchange.place = this.#size;
    this.#open[this.#size] = exchange;
    this.#size += 1;
  }

  /** Removes an exchange, once: the last one takes its place. */
  delete(exchange: OpenExchange): void {
    const { place } = exchange;
    if (this.#open[place] !== exchange) return;
    this.#size -= 1;
    const last = this.#open[this.#size]!;
    last.place = place;
    this.#open[place] = last;
    this.#open[this.#size] = undefined;
    exchange.place = NOWHERE;
    this.#ended();
  }

  get #empty(): boolean {
    return this.#size === 0 && this.#running === 0;
  }

  #ended(): void {
    if (this.#empty) this.#emptied?.();
  }

  /** Resolves when none is left. Those that still run after `timeoutMs` are interrupted and given `graceMs` to settle. */
  async drain(timeoutMs: number, graceMs: number): Promise<void> {
    if (await this.#emptyWithin(timeoutMs)) return;
    for (const exchange of this.#open.slice(0, this.#size)) exchange!.interrupt();
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
