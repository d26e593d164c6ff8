/** Findings that are remembered and counted; more are as bad. */
const FINDINGS_MAX = 1_000;

/** Ids of which the same is true, each until it is found otherwise, up to a bound. */
export class Findings {
  /** By id, the pass in which it was found last. */
  readonly #passes = new Map<string, number>();
  #pass = 0;

  get count(): number {
    return this.#passes.size;
  }

  /** Takes an id in. True if that is news. */
  add(id: string): boolean {
    const isNews = !this.#passes.has(id);
    if (isNews && this.#passes.size >= FINDINGS_MAX) return false;
    this.#passes.set(id, this.#pass);
    return isNews;
  }

  /** Takes back that an id was found. */
  delete(id: string): void {
    this.#passes.delete(id);
  }

  /** Ends a pass over everything: what was not found again in it is forgotten. */
  endPass(): void {
    for (const [id, pass] of this.#passes) if (pass !== this.#pass) this.#passes.delete(id);
    this.#pass += 1;
  }
}
