import type { CancelTimer, Clock } from '@tunan/kernel';

/** What took too long. */
export type Expiry =
  'connect' | 'first-content' | 'first-byte' | 'idle' | 'total' | 'deadline' | 'usage' | 'drain';

/**
 * The time limits of one upstream call, with one timer: a limit that moves away is noticed when the timer fires, so
 * that a chunk costs no timer work.
 *
 * Silence is watched twice: no bytes at all, and no payload. Keep-alives count as the first only, because providers
 * send them for ever while an answer hangs.
 */
export class Watchdog {
  #cancel: CancelTimer | undefined;
  #armedForMs = Infinity;
  #endMs = Infinity;
  #end: Expiry = 'total';
  #phase: Expiry = 'connect';
  #phaseMs = Infinity;
  #bytesIdleMs = Infinity;
  #payloadIdleMs = Infinity;
  #lastBytesMs = 0;
  #lastPayloadMs = 0;
  #paused = false;
  #stopped = false;

  /** @param onExpired called once, with the limit that was passed */
  constructor(
    private readonly clock: Clock,
    private readonly onExpired: (expiry: Expiry) => void,
  ) {}

  /** Sets the latest end, as a monotonic time, and whose limit it is. Of several the earliest counts. */
  endBy(atMs: number, expiry: 'total' | 'deadline'): void {
    if (atMs >= this.#endMs) return;
    this.#endMs = atMs;
    this.#end = expiry;
    this.#arm();
  }

  /** Starts a phase that may last `ms`; the phase before it is over. */
  begin(phase: Expiry, ms: number): void {
    this.#phase = phase;
    this.#phaseMs = this.clock.monotonicMs() + ms;
    this.#arm();
  }

  /** The phase is over and none follows. */
  endPhase(): void {
    this.#phaseMs = Infinity;
  }

  /** From now on, bytes must come at least every `ms`. */
  watchBytes(ms: number): void {
    this.#bytesIdleMs = ms;
    this.#lastBytesMs = this.clock.monotonicMs();
    this.#arm();
  }

  /** From now on, payload must come at least every `ms`. */
  watchPayload(ms: number): void {
    this.#payloadIdleMs = ms;
    this.#lastPayloadMs = this.clock.monotonicMs();
    this.#arm();
  }

  /** Bytes came. */
  bytes(): void {
    this.#lastBytesMs = this.clock.monotonicMs();
  }

  /** Payload came, with the bytes last reported. */
  payload(): void {
    this.#lastPayloadMs = this.#lastBytesMs;
  }

  /** Nothing is read on purpose: silence is not the provider's. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#lastBytesMs = this.#lastPayloadMs = this.clock.monotonicMs();
    this.#arm();
  }

  /** Ends all limits. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  get #idleDueMs(): number {
    if (this.#paused) return Infinity;
    return Math.min(this.#lastBytesMs + this.#bytesIdleMs, this.#lastPayloadMs + this.#payloadIdleMs);
  }

  #arm(): void {
    const dueMs = Math.min(this.#endMs, this.#phaseMs, this.#idleDueMs);
    if (this.#stopped || dueMs >= this.#armedForMs || dueMs === Infinity) return;
    this.#cancel?.();
    this.#armedForMs = dueMs;
    this.#cancel = this.clock.after(Math.max(0, dueMs - this.clock.monotonicMs()), () => this.#fired());
  }

  #fired(): void {
    this.#armedForMs = Infinity;
    if (this.#stopped) return;
    const nowMs = this.clock.monotonicMs();
    const expiry =
      nowMs >= this.#endMs
        ? this.#end
        : nowMs >= this.#phaseMs
          ? this.#phase
          : nowMs >= this.#idleDueMs
            ? 'idle'
            : undefined;
    if (expiry === undefined) return this.#arm();
    this.stop();
    this.onExpired(expiry);
  }
}
