import type { IncomingMessage } from 'node:http';
import type { Clock } from '@tunan/kernel';

/** Largest body that is read. */
export const BODY_BYTES_MAX = 25 * 1_048_576;
const BODY_TIMEOUT_MS = 60_000;

/** A body, or why there is none. */
export type ReadBody =
  { readonly kind: 'whole'; readonly bytes: Buffer } | { readonly kind: 'too_large' | 'gone' };

/** Reads a request body within 25 MiB and 60 s; a caller that is slower or goes away is `gone`. */
export const readBody = (request: IncomingMessage, clock: Clock): Promise<ReadBody> =>
  new Promise((resolve) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    const cancel = clock.after(BODY_TIMEOUT_MS, () => request.destroy());
    const finish = (result: ReadBody): void => {
      cancel();
      resolve(result);
    };
    request.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= BODY_BYTES_MAX) parts.push(part);
      else finish({ kind: 'too_large' });
    });
    request.on('end', () =>
      finish({ kind: 'whole', bytes: parts.length === 1 ? parts[0]! : Buffer.concat(parts) }),
    );
    request.on('error', () => finish({ kind: 'gone' }));
    request.on('close', () => finish({ kind: 'gone' }));
  });

/** The members of a JSON object, or undefined for anything else. */
export const parseObject = (bytes: Buffer): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
};
