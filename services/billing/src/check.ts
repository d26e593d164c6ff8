import type { Clock } from '@tunan/kernel';

/** A check of everything of a kind, a bounded part at a time and in turn. */
export interface Check {
  /** How many were found wrong, and not right since. */
  readonly differences: number;
  /** How many could not be looked at when their turn came last. */
  readonly failures: number;

  /**
   * Looks at the next part. True if that ended a pass over everything.
   * @throws if Postgres could not be read; the next step goes on from the same place
   */
  step(): Promise<boolean>;
}

/** The rounds of one check. */
export class CheckRounds {
  #beganMs: number | null = null;
  #passedMs = 0;

  constructor(
    private readonly check: Check,
    private readonly clock: Clock,
    /** Of a round. A step that is under way is waited for. */
    private readonly budgetMs: number,
  ) {}

  /**
   * Begin of the last pass that has ended, in milliseconds since the epoch; zero before the first one. What was there
   * then has been looked at, or is counted among the failures.
   */
  get passedMs(): number {
    return this.#passedMs;
  }

  /**
   * One round: step after step until a pass or the budget ends. After each there is a pause as long as it took: half of a
   * connection is the most that this takes of Postgres, and the slower Postgres is, the fewer statements.
   * @throws what a step threw
   */
  async run(stopping: AbortSignal): Promise<void> {
    const { clock } = this;
    const untilMs = clock.monotonicMs() + this.budgetMs;
    while (!stopping.aborted) {
      const sinceMs = clock.monotonicMs();
      this.#beganMs ??= clock.nowMs();
      if (await this.check.step()) {
        this.#passedMs = this.#beganMs;
        this.#beganMs = null;
        return;
      }
      await pause(clock, clock.monotonicMs() - sinceMs, stopping);
      if (clock.monotonicMs() >= untilMs) return;
    }
  }
}

const pause = (clock: Clock, delayMs: number, stopping: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      cancel();
      stopping.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(delayMs, end);
    if (stopping.aborted) end();
    else stopping.addEventListener('abort', end);
  });
