/**
 * Ends a text before a stop sequence, for models that can't do it themselves: the one that is complete first, as a model
 * that stops by itself would; of two that end together, the longer one. The text may arrive in pieces: what could be the
 * beginning of a sequence is held back until it is known.
 */
export class StopCutter {
  #held = '';
  #stopped = false;

  /** @param stops non-empty sequences */
  constructor(private readonly stops: readonly string[]) {}

  /** True once a sequence has come. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes a piece and returns what may be shown. */
  push(piece: string): string {
    if (this.#stopped || piece === '') return '';
    const text = this.#held + piece;
    const at = this.#firstStop(text);
    if (at >= 0) {
      this.#stopped = true;
      this.#held = '';
      return text.slice(0, at);
    }
    const shown = text.length - this.#openEnd(text);
    this.#held = text.slice(shown);
    return text.slice(0, shown);
  }

  /** The text is over: returns what was held back. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }

  #firstStop(text: string): number {
    let first = -1;
    let firstEnd = Infinity;
    for (const stop of this.stops) {
      const at = text.indexOf(stop);
      const end = at + stop.length;
      if (at < 0 || end > firstEnd || (end === firstEnd && at > first)) continue;
      first = at;
      firstEnd = end;
    }
    return first;
  }

  /** Length of the longest end of `text` that some sequence begins with. */
  #openEnd(text: string): number {
    let longest = 0;
    for (const stop of this.stops)
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length -= 1)
        if (stop.startsWith(text.slice(text.length - length))) longest = length;
    return longest;
  }
}
