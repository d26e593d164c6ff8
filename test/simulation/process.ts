import { Clock, type CancelTimer } from '@tunan/kernel';

/** A process that was killed. Nobody who could hear of it is left in it. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

/**
 * One life of an operating-system process. Whatever it waits for when it is killed never comes: its timers
 * don't fire, and answers to its calls have nobody to go to.
 */
export class Process extends Clock {
  #alive = true;
  readonly #timers = new Set<CancelTimer>();
  readonly #death = Promise.withResolvers<never>();

  constructor(
    readonly name: string,
    private readonly time: Clock,
  ) {
    super();
    this.#death.promise.catch(() => undefined);
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Rejects when the process is killed: for what notices from outside, as a database does. */
  get death(): Promise<never> {
    return this.#death.promise;
  }

  kill(): void {
    this.#alive = false;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#death.reject(new Killed(this.name));
  }

  override nowMs(): number {
    return this.time.nowMs();
  }

  override monotonicMs(): number {
    return this.time.monotonicMs();
  }

  override after(delayMs: number, callback: () => void): CancelTimer {
    if (!this.#alive) return () => undefined;
    const cancel = this.time.after(delayMs, () => {
      this.#timers.delete(stop);
      callback();
    });
    const stop = (): void => {
      cancel();
      this.#timers.delete(stop);
    };
    this.#timers.add(stop);
    return stop;
  }
}
