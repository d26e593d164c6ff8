import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { CancelTimer, Clock } from '@tunan/kernel';

const RESOLUTION_MS = 20;
/** Long enough that one long pause (a collection, one huge body) is not the 99th percentile. */
const WINDOW_MS = 5_000;
const NS_PER_MS = 1e6;

/** How late the event loop of this process is. */
export class LoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #p99Ms = 0;
  #cancel: CancelTimer | undefined;

  constructor(private readonly clock: Clock) {}

  /** 99th percentile over the last whole window of five seconds, in milliseconds. */
  get p99Ms(): number {
    return this.#p99Ms;
  }

  start(): void {
    this.#histogram.enable();
    this.#next();
  }

  stop(): void {
    this.#cancel?.();
    this.#histogram.disable();
  }

  #next(): void {
    this.#cancel = this.clock.after(WINDOW_MS, () => {
      // The histogram measures whole intervals of its own timer.
      this.#p99Ms = Math.max(0, this.#histogram.percentile(99) / NS_PER_MS - RESOLUTION_MS);
      this.#histogram.reset();
      this.#next();
    });
  }
}
