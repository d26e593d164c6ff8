import type { Clock } from '@tunan/kernel';
import type { Behaviour } from '../domain/behaviour.js';
import type { RandomSequence } from '../domain/random.js';
import type { Frame } from '../dialects/dialect.js';

/** A stream that fell this far behind its pace does not catch up. */
const LATE_MAX_MS = 1_000;
const SLICES_PER_S = 20;

/** When each frame of a body is due: frames with output are paced, and the first of them or the end waits longer. */
export class Pacer {
  #dueMs: number | undefined;
  #granted: Frame | undefined;

  constructor(
    private readonly behaviour: Behaviour,
    private readonly clock: Clock,
    private readonly random: RandomSequence,
  ) {}

  /** Milliseconds until a frame may go; asked again for the same frame after that time it is 0. */
  waitMs(frame: Frame): number {
    const paced = frame.tokens > 0 || frame.finish !== undefined || frame.last === true;
    if (this.#granted === frame || !paced) return 0;
    this.#granted = frame;
    const nowMs = this.clock.monotonicMs();
    const first = this.#dueMs === undefined;
    const previousMs = this.#dueMs === undefined || nowMs - this.#dueMs > LATE_MAX_MS ? nowMs : this.#dueMs;
    this.#dueMs = previousMs + (first ? (this.behaviour.first_delay_ms ?? 0) : this.#gapMs(frame));
    return Math.max(0, this.#dueMs - nowMs);
  }

  /** How many bytes may go at a time, and the pause after them. */
  get slices(): { readonly bytes: number; readonly pauseMs: number } | undefined {
    const rate = this.behaviour.bytes_per_second;
    if (rate === undefined) return undefined;
    const bytes = Math.ceil(rate / SLICES_PER_S);
    return { bytes, pauseMs: (bytes / rate) * 1_000 };
  }

  #gapMs(frame: Frame): number {
    const { chunk_delay_ms: delayMs = 0, jitter_ms: jitterMs = 0 } = this.behaviour;
    if (frame.tokens === 0) return 0;
    return Math.max(0, delayMs + (this.random.unit() * 2 - 1) * jitterMs);
  }
}
