import type { IncomingMessage } from 'node:http';
import { Fault } from '@tunan/kernel';

/** Parts below this are copied together: a body in chunks of one byte would else be a million buffers. */
const SMALL_PART_BYTES = 4 * 1024;
const BLOCK_BYTES = 64 * 1024;

/**
 * Collects a request's body, however small the parts are in which it comes.
 * @param onBytes called with the size of every part before it is kept; what it throws ends the reading
 * @throws Fault `request_too_large` beyond `bytesMax` bytes, `client_closed` if the peer went away
 */
export const readBody = (
  request: IncomingMessage,
  bytesMax: number,
  onBytes?: (bytes: number) => void,
): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const tooLarge = (): Fault =>
      new Fault('request_too_large', `The request body is larger than ${bytesMax} bytes.`);
    // What announces too much is refused before any of it is read.
    if (Number(request.headers['content-length'] ?? 0) > bytesMax) return reject(tooLarge());
    const parts = new BodyParts();
    const refuse = (error: unknown): void => {
      request.off('data', onData);
      request.pause();
      reject(error as Error);
    };
    const onData = (part: Buffer): void => {
      if (parts.bytes + part.length > bytesMax) return refuse(tooLarge());
      try {
        onBytes?.(part.length);
      } catch (error) {
        return refuse(error);
      }
      parts.add(part);
    };
    request.on('data', onData);
    request.once('end', () => resolve(parts.whole()));
    const onCut = (): void => reject(new Fault('client_closed', 'The request ended early.'));
    request.once('error', onCut);
    request.once('close', () => {
      if (!request.complete) onCut();
    });
  });

/** A body that is being put together. */
class BodyParts {
  bytes = 0;
  #parts: Buffer[] = [];
  #block: Buffer | undefined;
  #blockBytes = 0;

  add(part: Buffer): void {
    this.bytes += part.length;
    // The usual body is one part, small or not: it is kept as it is.
    if (part.length >= SMALL_PART_BYTES || this.#parts.length === 0) {
      this.#closeBlock();
      this.#parts.push(part);
      return;
    }
    if (this.#blockBytes + part.length > BLOCK_BYTES) this.#closeBlock();
    this.#block ??= Buffer.allocUnsafeSlow(BLOCK_BYTES);
    this.#blockBytes += part.copy(this.#block, this.#blockBytes);
  }

  whole(): Buffer {
    this.#closeBlock();
    // The request's listeners keep this object for as long as its answer takes: it must not keep the parts.
    const parts = this.#parts;
    this.#parts = [];
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  #closeBlock(): void {
    if (this.#block === undefined) return;
    this.#parts.push(this.#block.subarray(0, this.#blockBytes));
    this.#block = undefined;
    this.#blockBytes = 0;
  }
}
