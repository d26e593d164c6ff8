import type { CancelTimer, Clock } from '@tunan/kernel';

/** Settings of a {@link Recurring}. */
export interface RecurringOptions {
  readonly intervalMs: number;
  /** Longest pause after failures; pauses double from the interval up to it. */
  readonly backOffMaxMs: number;
  /** Uniform in [0, 1): keeps replicas from acting in step. */
  readonly random: () => number;
  readonly onError: (error: unknown) => void;
}

/** Does a task now and then again after each pause, never twice at once. */
export class Recurring {
  #cancel: CancelTimer | undefined;
  #running: Promise<void> = Promise.resolve();
  readonly #stopping = new AbortController();
  #failures = 0;

  constructor(
    private readonly clock: Clock,
    /** Is told by the signal that it is to end; a long one looks at it now and then. */
    private readonly task: (stopping: AbortSignal) => Promise<void>,
    private readonly options: RecurringOptions,
  ) {}

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when the task, if it is under way, is done. It is not begun again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancel?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      await this.task(this.#stopping.signal);
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      this.options.onError(error);
    }
    if (this.#stopping.signal.aborted) return;
    this.#cancel = this.clock.after(this.#pauseMs(), () => {
      this.#running = this.#run();
    });
  }

  #pauseMs(): number {
    const { intervalMs, backOffMaxMs, random } = this.options;
    const most = Math.max(intervalMs, backOffMaxMs);
    // The exponent is bounded: beyond it every sensible bound is passed.
    return Math.min(most, intervalMs * 2 ** Math.min(this.#failures, 16)) * (0.75 + random() / 2);
  }
}
