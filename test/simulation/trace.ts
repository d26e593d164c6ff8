import type { Clock } from '@tunan/kernel';

/** Hashes of texts that lines are made of; a run has few different ones. */
const hashes = new Map<string, number>();

/** FNV-1a. */
const hashOf = (text: string): number => {
  let hash = hashes.get(text);
  if (hash !== undefined) return hash;
  hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hashes.set(text, hash);
  return hash;
};

/**
 * What happened, in order: always as one hash, as text where somebody wants to read it. The hash is not for
 * secrets; it has to be cheap, and to differ where two runs differ.
 */
export class Trace {
  readonly lines: string[] = [];
  readonly #startMs: number;
  readonly #lanes = new Int32Array([0x811c9dc5, 0x01000193]);

  constructor(
    private readonly clock: Clock,
    private readonly keep: boolean,
  ) {
    this.#startMs = clock.nowMs();
  }

  get hash(): string {
    return [...this.#lanes].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** @param parts texts that come up often: no figures that differ from line to line */
  line(...parts: readonly string[]): void {
    const passedMs = this.clock.nowMs() - this.#startMs;
    if (this.keep) this.lines.push(`${passedMs.toFixed(1)} ${parts.join(' ')}`);
    const lanes = this.#lanes;
    // Microseconds: times are drawn, so they tell runs apart better than anything else.
    let high = Math.imul(lanes[0]! ^ Math.floor(passedMs * 1_000), 0x01000193);
    let low = lanes[1]!;
    for (const part of parts) {
      high = Math.imul(high ^ hashOf(part), 0x01000193);
      low = Math.imul(low ^ high, 0x85ebca6b) + 1;
    }
    lanes[0] = high;
    lanes[1] = low;
  }
}
