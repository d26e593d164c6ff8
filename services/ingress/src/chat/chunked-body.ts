import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

const CR = 0x0d;
const LF = 0x0a;
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/**
 * The body of a response of unknown length, whose chunks are framed here. Node writes a chunk as four pieces, each of them
 * a write to the socket's stream, and gathers them in a `writev`; one buffer costs half as much, and the token of a stream
 * hardly costs anything else.
 *
 * Once {@link open} was called, nothing else may write to the response or end it.
 */
export class ChunkedBody {
  #framed = false;

  constructor(private readonly response: ServerResponse) {}

  /** Sends the head. Whether there are chunks is Node's to decide: a body of HTTP/1.0 ends with its connection. */
  open(status: number, headers: OutgoingHttpHeaders): void {
    this.response.writeHead(status, headers);
    this.#framed = this.response.chunkedEncoding;
    this.response.chunkedEncoding = false;
  }

  /** @returns false if the client does not keep up; the response's `drain` follows */
  write(bytes: Uint8Array): boolean {
    return this.response.write(this.#frame(bytes));
  }

  /** Ends the body with these bytes. */
  end(bytes: Uint8Array): void {
    this.response.end(this.#framed ? Buffer.concat([this.#frame(bytes), LAST_CHUNK]) : bytes);
  }

  /** No bytes are no chunk: an empty one is the last. */
  #frame(bytes: Uint8Array): Uint8Array {
    return this.#framed && bytes.length > 0 ? chunkOf(bytes) : bytes;
  }
}

const chunkOf = (bytes: Uint8Array): Buffer => {
  const size = bytes.length.toString(16);
  const begin = size.length + 2;
  const end = begin + bytes.length;
  const chunk = Buffer.allocUnsafe(end + 2);
  chunk.write(size, 'latin1');
  chunk[begin - 2] = CR;
  chunk[begin - 1] = LF;
  chunk.set(bytes, begin);
  chunk[end] = CR;
  chunk[end + 1] = LF;
  return chunk;
};
