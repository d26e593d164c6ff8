/** A map of the entries that were put last: beyond so many, the one that was put longest ago is forgotten. */
export class RecentMap<Value> {
  /** Maps keep insertion order. */
  readonly #entries = new Map<string, Value>();

  constructor(private readonly entriesMax: number) {}

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }

  /** Sets an entry, which becomes the latest. */
  put(key: string, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.entriesMax) this.#entries.delete(this.#entries.keys().next().value!);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
