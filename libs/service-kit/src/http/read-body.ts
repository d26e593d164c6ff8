import type { IncomingMessage } from 'node:http';
import { Fault } from '@tunan/kernel';

/**
 * Collects a request's body.
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
    const chunks: Buffer[] = [];
    let bytes = 0;
    const refuse = (error: unknown): void => {
      request.off('data', onData);
      request.pause();
      reject(error as Error);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > bytesMax) return refuse(tooLarge());
      try {
        onBytes?.(chunk.length);
      } catch (error) {
        return refuse(error);
      }
      chunks.push(chunk);
    };
    request.on('data', onData);
    request.once('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    const onCut = (): void => reject(new Fault('client_closed', 'The request ended early.'));
    request.once('error', onCut);
    request.once('close', () => {
      if (!request.complete) onCut();
    });
  });
