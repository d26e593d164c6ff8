import type { IncomingMessage } from 'node:http';
import { Fault } from '@tunan/kernel';

/**
 * Collects a request's body.
 * @throws Fault `request_too_large` beyond `bytesMax` bytes, `client_closed` if the peer went away
 */
export const readBody = (request: IncomingMessage, bytesMax: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > bytesMax) {
        request.off('data', onData);
        request.pause();
        reject(new Fault('request_too_large', `The request body is larger than ${bytesMax} bytes.`));
        return;
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
