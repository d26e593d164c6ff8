/** Things of one kind that are looked at in the order of their ids. */
export interface Inspected {
  /**
   * Looks at the first `limit` things after `afterId`: at all of them or, if it rejects, at none.
   * @returns the id to go on after; null at the end
   */
  inspect(afterId: string, limit: number): Promise<string | null>;

  /** Id of the first thing after `afterId`, without looking at it; null at the end. */
  idAfter(afterId: string): Promise<string | null>;

  /** Told of the one thing that can't be looked at, before the pass goes on behind it. */
  giveUp(id: string, error: unknown): void;
}

/**
 * Passes over everything of a kind, page by page, one pass after another. In a page that fails the culprit is searched
 * for by halving, so that nothing but the culprit is left out: log₂ of the page size failures for each.
 */
export class Pass {
  #afterId = '';
  /** One of so many things after `#afterId` has failed; zero: none is known to. */
  #suspects = 0;

  constructor(
    private readonly things: Inspected,
    private readonly pageSize: number,
  ) {}

  /**
   * Looks at a page, or at half of the suspects. True at the end of a pass; the next step begins another.
   * @throws what `inspect` or `idAfter` threw if there is no next id to be read: that is no thing's fault, and nothing
   *   was given up
   */
  async step(): Promise<boolean> {
    const size = this.#suspects === 0 ? this.pageSize : Math.ceil(this.#suspects / 2);
    let next: string | null;
    try {
      next = await this.things.inspect(this.#afterId, size);
      this.#suspects = Math.max(0, this.#suspects - size);
    } catch (error) {
      next = await this.things.idAfter(this.#afterId);
      if (next === null) throw error;
      this.#suspects = size === 1 ? 0 : size;
      if (size > 1) return false;
      this.things.giveUp(next, error);
    }
    this.#afterId = next ?? '';
    if (next === null) this.#suspects = 0;
    return next === null;
  }
}
