import { request } from 'undici';
import type { CancelTimer, Clock } from '@tunan/kernel';
import type { Dependency } from '@tunan/service-kit';

const PATH = '/control/stats';
const INTERVAL_MS = 200;
const TIMEOUT_MS = 1_000;

/** Holds readiness back until the simulator answers, so that the first request does not meet a closed port. */
export class SimulatorProbe {
  #cancel: CancelTimer | undefined;
  #stopped = false;

  constructor(
    private readonly simulatorUrl: string,
    private readonly dependency: Dependency,
    private readonly clock: Clock,
  ) {}

  /** Asks until it has answered once. */
  start(): void {
    void this.#ask();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  async #ask(): Promise<void> {
    try {
      const { statusCode, body } = await request(this.simulatorUrl + PATH, {
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
      });
      await body.dump();
      if (statusCode === 200) return this.dependency.up(this.simulatorUrl);
      this.dependency.down(`answered ${statusCode}`);
    } catch (error) {
      this.dependency.down(error instanceof Error ? error.message : String(error));
    }
    if (!this.#stopped) this.#cancel = this.clock.after(INTERVAL_MS, () => void this.#ask());
  }
}
