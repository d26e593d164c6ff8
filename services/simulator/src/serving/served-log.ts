import type { Clock } from '@tunan/kernel';
import type { DraftEntry, ServedEntry } from '../domain/served-entry.js';
import type { LogFile } from './log-file.js';

interface Line {
  readonly nonce: string | null;
  readonly requestId: string;
  readonly json: string;
}

/** Which entries are asked for. */
export interface LogQuery {
  /** Entries with a higher `seq`. */
  readonly after: number;
  readonly nonce?: string | undefined;
  readonly requestId?: string | undefined;
  /** Most entries of the answer. */
  readonly limit: number;
}

/** Entries as JSON lines; `next` continues after them, `oldest` is the lowest `seq` that is still in memory. */
export interface LogPage {
  readonly lines: readonly string[];
  readonly next: number;
  readonly oldest: number;
}

/** Most characters of all lines in memory. */
const MEMORY_CHARS_MAX = 64 * 1_048_576;

/**
 * What was served, in order. Whoever sends bytes appends the entry that speaks of them first. Entries are never
 * changed or removed, except that memory keeps only the newest.
 */
export class ServedLog {
  #lines: Line[] = [];
  /** Index of the oldest line that counts; what is before it is removed now and then. */
  #start = 0;
  #nextSeq: number;
  #chars = 0;
  #fileError: string | null = null;
  /** Lines that are not in the file yet. */
  #unwritten = '';

  constructor(
    private readonly clock: Clock,
    private readonly file: LogFile | undefined,
    private readonly entriesMax: number,
  ) {
    this.#nextSeq = (file?.lastSeq ?? 0) + 1;
  }

  /**
   * Puts an entry into the log: at once into memory, into the file with the next `sync` or the next turn of the
   * event loop. Never throws: if the file fails, memory goes on and `fileError` says so.
   */
  append(draft: DraftEntry): ServedEntry {
    const at = new Date(this.clock.nowMs()).toISOString();
    const entry = { seq: this.#nextSeq, at, ...draft } as ServedEntry;
    this.#nextSeq += 1;
    const json = JSON.stringify(entry);
    this.#lines.push({ nonce: entry.nonce, requestId: entry.requestId, json });
    this.#chars += json.length;
    this.#evict();
    if (this.file !== undefined) this.#schedule(json);
    return entry;
  }

  /** Hands every entry to the file. Whoever writes bytes that entries speak of calls this before. */
  sync(): void {
    if (this.#unwritten === '') return;
    const lines = this.#unwritten;
    this.#unwritten = '';
    if (this.#fileError !== null) return;
    try {
      this.file?.append(lines);
    } catch (error) {
      this.#fileError = (error as Error).message;
    }
  }

  read(query: LogQuery): LogPage {
    const oldest = this.#nextSeq - (this.#lines.length - this.#start);
    const lines: string[] = [];
    let seq = Math.max(query.after + 1, oldest);
    for (; seq < this.#nextSeq && lines.length < query.limit; seq += 1) {
      const line = this.#lines[this.#start + seq - oldest]!;
      if (query.nonce !== undefined && line.nonce !== query.nonce) continue;
      if (query.requestId !== undefined && line.requestId !== query.requestId) continue;
      lines.push(line.json);
    }
    return { lines, next: Math.max(query.after, seq - 1), oldest };
  }

  /** The highest `seq` so far. */
  get lastSeq(): number {
    return this.#nextSeq - 1;
  }

  /** Why the file has stopped, or null. */
  get fileError(): string | null {
    return this.#fileError;
  }

  close(): void {
    this.sync();
    this.file?.close();
  }

  #schedule(json: string): void {
    if (this.#unwritten === '') setImmediate(() => this.sync());
    this.#unwritten += `${json}\n`;
  }

  #evict(): void {
    while (this.#lines.length - this.#start > this.entriesMax || this.#chars > MEMORY_CHARS_MAX) {
      this.#chars -= this.#lines[this.#start]!.json.length;
      this.#start += 1;
    }
    if (this.#start < 1_024 || this.#start < this.#lines.length / 2) return;
    this.#lines = this.#lines.slice(this.#start);
    this.#start = 0;
  }
}
