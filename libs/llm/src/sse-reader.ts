/** Longest line, and longest event, that a reader takes, in bytes of UTF-8 or code units of text. */
export const SSE_EVENT_SIZE_MAX = 1_048_576;

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const DATA = 'data:';
const BOM = 0xfe_ff;

/** A line or event beyond {@link SSE_EVENT_SIZE_MAX}: the stream can't be read on. */
export class SseOverflow extends Error {
  constructor() {
    super(`an event is larger than ${SSE_EVENT_SIZE_MAX}`);
    this.name = 'SseOverflow';
  }
}

/**
 * Reads `text/event-stream` bytes that may be cut anywhere, by the rules of the HTML standard: lines end with LF, CRLF
 * or CR, comments and unknown fields are skipped, the `data` lines of an event are joined with LF, a leading byte order
 * mark is dropped. More tolerant in one point: {@link end} delivers a last event that no blank line follows.
 *
 * Built for the common case, whole events in one chunk: that costs one decoding of the chunk and one slice per event.
 * Bytes are carried over only from an unfinished line.
 */
export class SseReader {
  #pieces: Buffer[] = [];
  #carriedBytes = 0;
  /** The data lines of the event so far; null before the first. */
  #data: string | null = null;
  #name = '';
  #atStart = true;
  /** The last byte was a CR: an LF that follows belongs to it. */
  #afterCr = false;

  /** @param onEvent called for each event with its data, and its name or '' */
  constructor(private readonly onEvent: (data: string, name: string) => void) {}

  /**
   * Takes the next bytes. `chunk` may be kept until the line it ends with is whole, so it must not be reused.
   * @throws SseOverflow
   */
  push(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#afterCr && bytes.length > 0) {
      this.#afterCr = false;
      if (bytes[0] === LF) bytes = bytes.subarray(1);
    }
    if (bytes.length === 0) return;
    if (this.#carriedBytes === 0 && bytes[bytes.length - 1] === LF) this.#lines(bytes.toString());
    else this.#wholeLines(bytes);
  }

  /** The stream is over: what is left is taken as if a blank line followed. */
  end(): void {
    if (this.#carriedBytes > 0) {
      const rest = Buffer.concat(this.#pieces, this.#carriedBytes).toString();
      this.#drop();
      this.#lines(`${rest}\n`);
    }
    this.#dispatch();
  }

  /** Decodes up to the last line end of `bytes` and carries the rest over. */
  #wholeLines(bytes: Buffer): void {
    const cut = Math.max(bytes.lastIndexOf(LF), bytes.lastIndexOf(CR)) + 1;
    if (cut === 0) return this.#carry(bytes);
    this.#afterCr = cut === bytes.length && bytes[cut - 1] === CR;
    let whole = bytes.subarray(0, cut);
    if (this.#carriedBytes > 0) {
      this.#carry(whole);
      whole = Buffer.concat(this.#pieces, this.#carriedBytes);
      this.#drop();
    }
    if (cut < bytes.length) this.#carry(bytes.subarray(cut));
    this.#lines(whole.toString());
  }

  #carry(bytes: Buffer): void {
    this.#carriedBytes += bytes.length;
    if (this.#carriedBytes > SSE_EVENT_SIZE_MAX) throw new SseOverflow();
    this.#pieces.push(bytes);
  }

  #drop(): void {
    this.#pieces = [];
    this.#carriedBytes = 0;
  }

  /** Takes whole lines, the last line end included. */
  #lines(decoded: string): void {
    let text = decoded;
    if (this.#atStart) {
      this.#atStart = false;
      if (text.charCodeAt(0) === BOM) text = text.slice(1);
    }
    if (text.includes('\r')) text = text.replaceAll(/\r\n?/g, '\n');
    let at = 0;
    while (at < text.length) {
      const end = text.indexOf('\n', at);
      if (end === at) this.#dispatch();
      else if (text.startsWith(DATA, at)) {
        const value = text.slice(
          at + DATA.length + (text.charCodeAt(at + DATA.length) === SPACE ? 1 : 0),
          end,
        );
        if (this.#data === null && text.charCodeAt(end + 1) === LF) {
          // The one data line of an event and its blank line: most events of every provider.
          at = end + 2;
          this.#emit(value);
          continue;
        }
        this.#append(value);
      } else if (text.charCodeAt(at) !== 0x3a) this.#field(text.slice(at, end));
      at = end + 1;
    }
  }

  /** A line that is neither a comment nor `data:` with a value. */
  #field(line: string): void {
    if (line === 'data') return this.#append('');
    if (line.startsWith('event:')) this.#name = line.slice(line.charCodeAt(6) === SPACE ? 7 : 6);
  }

  #append(value: string): void {
    this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
    if (this.#data.length > SSE_EVENT_SIZE_MAX) throw new SseOverflow();
  }

  #dispatch(): void {
    const data = this.#data;
    this.#data = null;
    if (data === null) this.#name = '';
    else this.#emit(data);
  }

  #emit(data: string): void {
    if (data.length > SSE_EVENT_SIZE_MAX) throw new SseOverflow();
    const name = this.#name;
    this.#name = '';
    this.onEvent(data, name);
  }
}
