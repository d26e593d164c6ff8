import type { CancelTimer, Clock } from '@tunan/kernel';

export interface RecurringOptions {
  readonly intervalMs: number;
  /** Longest pause after failures; pauses double from the interval up to it. */
  readonly backOffMaxMs: number;
  /** Uniform in [0, 1): keeps replicas from acting in step. */
  readonly random: () => number;
  readonly onError: (error: unknown) => void;
}

/** Does a task again and again until it is stopped, never twice at once, less often while it fails. */
export class Recurring {
  #cancel: CancelTimer | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #failures = 0;

  constructor(
    private readonly clock: Clock,
    private readonly task: () => Promise<void>,
    private readonly options: RecurringOptions,
  ) {}

  /** Does the task now, and from then on. */
  start(): void {
    this.#running = this.#runOnce();
  }

  /** Resolves when the task, if it was under way, is done. It is not done again. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
  }

  async #runOnce(): Promise<void> {
    try {
      await this.task();
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      this.options.onError(error);
    }
    if (this.#stopped) return;
    this.#cancel = this.clock.after(this.#pauseMs(), () => {
      this.#running = this.#runOnce();
    });
  }

  #pauseMs(): number {
    const { intervalMs, backOffMaxMs, random } = this.options;
    // 2^10 times the interval is beyond any bound that makes sense.
    const pauseMs = Math.min(
      intervalMs * 2 ** Math.min(this.#failures, 10),
      Math.max(intervalMs, backOffMaxMs),
    );
    return pauseMs * (0.75 + random() / 2);
  }
}
