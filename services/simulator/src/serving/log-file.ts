import { closeSync, fstatSync, mkdirSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const NAME = 'served.jsonl';
const PREVIOUS = 'served.1.jsonl';
const TAIL_BYTES = 1_048_576;

/**
 * The log as a file of JSON lines. Lines are with the operating system when `append` returns, so they survive
 * the death of any process, this one included. A file that reaches its bound becomes `served.1.jsonl`,
 * replacing the one before.
 */
export class LogFile {
  readonly #path: string;
  readonly #previous: string;
  /** Undefined once closed: the number may be another file's then. */
  #descriptor: number | undefined;
  #bytes: number;
  /** `seq` of the last line of an earlier run; 0 for a new file. */
  readonly lastSeq: number;

  /** @throws Error if the file can't be opened */
  constructor(
    folder: string,
    private readonly bytesMax: number,
  ) {
    mkdirSync(folder, { recursive: true });
    this.#path = join(folder, NAME);
    this.#previous = join(folder, PREVIOUS);
    this.#descriptor = openSync(this.#path, 'a+');
    this.#bytes = fstatSync(this.#descriptor).size;
    this.lastSeq = this.#readLastSeq(this.#descriptor);
  }

  /** Adds whole lines, each with its end. @throws Error if the disk refuses them */
  append(lines: string): void {
    if (this.#descriptor === undefined) throw new Error('the log file is closed');
    this.#bytes += writeSync(this.#descriptor, lines);
    if (this.#bytes < this.bytesMax) return;
    closeSync(this.#descriptor);
    renameSync(this.#path, this.#previous);
    this.#descriptor = openSync(this.#path, 'a+');
    this.#bytes = 0;
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #readLastSeq(descriptor: number): number {
    const length = Math.min(this.#bytes, TAIL_BYTES);
    const tail = Buffer.alloc(length);
    readSync(descriptor, tail, 0, length, this.#bytes - length);
    const seqs = tail.toString('utf8').matchAll(/^\{"seq":(\d+),/gm);
    return [...seqs].reduce((highest, [, seq]) => Math.max(highest, Number(seq)), 0);
  }
}
