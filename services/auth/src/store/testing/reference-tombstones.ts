import type { StoreLimits } from '../../domain/admission-state.js';
import type { Request } from './reference-records.js';

/** What the reference store forgets of the requests that have ended, and when. */
export class ReferenceTombstones {
  /** Requests that were forgotten: what they are told from then on is not promised to be what they were told before. */
  readonly forgotten = new Set<string>();
  /** How many of them before their time, because too many had ended. */
  crowdedOut = 0;
  /** What was forgotten counts in its windows as before, until the state is read again. */
  outlived: Request[] = [];
  /** Requests that may be forgotten, in the order in which they came to that. */
  #done: string[] = [];

  constructor(
    private readonly requests: Map<string, Request>,
    private readonly limits: StoreLimits,
  ) {}

  /** A request has ended, or has ended otherwise than before. */
  end(requestId: string, request: Request): void {
    this.requests.set(requestId, request);
    this.#done = this.#done.filter((each) => each !== requestId);
    this.changed(requestId);
    const ended = [...this.requests.values()].filter(({ state }) => state !== 'held').length;
    // No more at once than it takes for a store with too many to come to have fewer.
    const excess = Math.min(2, Math.max(0, ended - this.limits.tombstonesMax));
    for (const oldest of this.#done.slice(0, excess)) {
      this.#forget(oldest);
      this.crowdedOut += 1;
    }
  }

  /** A request may have nothing left to be done with it. */
  changed(requestId: string): void {
    const { state, pending, acked } = this.requests.get(requestId)!;
    if (state !== 'held' && !pending && acked && !this.#done.includes(requestId)) this.#done.push(requestId);
  }

  /** Forgets what ended long ago; returns how many that were. */
  purge(nowMs: number): number {
    const beforeMs = nowMs - this.limits.tombstoneMs;
    const old = this.#done.filter((requestId) => this.requests.get(requestId)!.endedAtMs <= beforeMs);
    for (const requestId of old) this.#forget(requestId);
    return old.length;
  }

  /** The state was read again: when requests ended is known then, but not when they were done. */
  reload(stored: readonly string[]): void {
    const isDone = new Set(this.#done);
    const done = stored.filter((requestId) => isDone.has(requestId));
    const recordOf = (requestId: string): Request => this.requests.get(requestId)!;
    this.#done = done.sort(
      (a, b) => recordOf(a).endedAtMs - recordOf(b).endedAtMs || recordOf(a).seq - recordOf(b).seq,
    );
    this.outlived = [];
  }

  #forget(requestId: string): void {
    this.outlived.push(this.requests.get(requestId)!);
    this.requests.delete(requestId);
    this.#done = this.#done.filter((each) => each !== requestId);
    this.forgotten.add(requestId);
  }
}
