import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * What one API key hashes and seals with. Everything is derived from the key itself, which nobody but its owner has:
 * what is stored of a request tells neither its content nor its idempotency key, and an answer opens only for whoever
 * asks with the same key again.
 */
export class AnswerSeal {
  readonly #hashKey: Buffer;
  readonly #sealKey: Buffer;

  constructor(apiKey: string) {
    this.#hashKey = derive(apiKey, 'hash');
    this.#sealKey = derive(apiKey, 'seal');
  }

  /** Keyed hash of parts, hex. Parts do not run into each other. */
  hash(...parts: readonly (string | Buffer)[]): string {
    const hmac = createHmac('sha256', this.#hashKey);
    for (const part of parts) {
      const bytes = typeof part === 'string' ? Buffer.from(part) : part;
      hmac.update(`${bytes.length}:`).update(bytes);
    }
    return hmac.digest('hex');
  }

  /** Seals an answer for the place that it is kept in, in base64. */
  seal(answer: Buffer, place: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#sealKey, nonce).setAAD(Buffer.from(place));
    const sealed = Buffer.concat([cipher.update(answer), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
  }

  /**
   * Opens what {@link seal} made for the same place.
   * @throws Error if it is not that, or was changed
   */
  open(sealed: string, place: string): Buffer {
    const bytes = Buffer.from(sealed, 'base64');
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv(CIPHER, this.#sealKey, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
  }
}

const derive = (apiKey: string, use: string): Buffer =>
  Buffer.from(hkdfSync('sha256', apiKey, 'tunan idempotency', use, KEY_BYTES));
