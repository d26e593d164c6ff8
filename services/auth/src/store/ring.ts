const SLOTS_FIRST = 64;

/**
 * A queue, first in, first out, in an array that grows when it is full and is never replaced by a shorter one: an array
 * left behind keeps what was in it alive until the next major collection. Bounded by whoever fills it.
 */
export class Ring<Item> {
  /** As many as a power of two. */
  #slots: (Item | undefined)[] = emptySlots(SLOTS_FIRST);
  #first = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(item: Item): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[this.#slot(this.#size)] = item;
    this.#size += 1;
  }

  /** Takes the first item out; undefined if there is none. */
  shift(): Item | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#slots[this.#first];
    this.#slots[this.#first] = undefined;
    this.#first = this.#slot(1);
    this.#size -= 1;
    return item;
  }

  /** The items in their order. Nothing may be put in or taken out meanwhile. */
  *[Symbol.iterator](): Iterator<Item> {
    for (let place = 0; place < this.#size; place += 1) yield this.#slots[this.#slot(place)]!;
  }

  #slot(place: number): number {
    return (this.#first + place) & (this.#slots.length - 1);
  }

  #grow(): void {
    const items = [...this];
    this.#slots = [...items, ...emptySlots(items.length)];
    this.#first = 0;
  }
}

const emptySlots = (count: number): undefined[] => Array.from({ length: count }, () => undefined);
