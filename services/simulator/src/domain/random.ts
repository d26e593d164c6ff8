import { crc32 } from 'node:zlib';

/** 32-bit CRC of a text's UTF-8 form, continued from `state`. Unsigned. */
export const hashText = (text: string, state = 0): number => crc32(text, state);

/** A reproducible sequence of numbers (mulberry32): the same seed gives the same sequence on every machine. */
export class RandomSequence {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next unsigned 32-bit integer. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return (value ^ (value >>> 14)) >>> 0;
  }

  /** A whole number from 0 up to, not including, `limit` (≥ 1). */
  below(limit: number): number {
    return this.next() % limit;
  }

  /** A number in [0, 1). */
  unit(): number {
    return this.next() / 0x1_0000_0000;
  }
}
