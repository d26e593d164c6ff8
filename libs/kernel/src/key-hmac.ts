import { createHmac } from 'node:crypto';

/** A secret that customer keys are hashed with, and the number it is known by at rest. */
export interface KeyPepper {
  readonly version: number;
  readonly secret: Uint8Array;
}

const PEPPER = /^([1-9]\d{0,8}):((?:[0-9a-f]{2}){16,128})$/i;
const DIGEST = /^[0-9a-f]{64}$/;

/**
 * Reads a list of peppers, `version:hex` separated by commas: the first makes new hashes, the others still find old
 * ones. A secret has 16 to 128 bytes; versions are whole numbers from 1 and differ.
 * @throws RangeError that names the rule and never the text
 */
export const parsePeppers = (text: string): readonly [KeyPepper, ...KeyPepper[]] => {
  const peppers = text.split(',').map((entry): KeyPepper => {
    const match = PEPPER.exec(entry.trim());
    if (match === null) throw new RangeError('a pepper is version:hex with 16 to 128 bytes');
    return { version: Number(match[1]), secret: Buffer.from(match[2]!, 'hex') };
  });
  if (new Set(peppers.map((pepper) => pepper.version)).size !== peppers.length)
    throw new RangeError('versions of peppers must differ');
  const [current, ...former] = peppers;
  return [current!, ...former];
};

/**
 * What is kept of a customer key: HMAC-SHA-256 of the key's SHA-256 under a pepper. Whoever reads the database alone
 * can neither use nor test a key.
 * @param digest SHA-256 of the key, 64 lower-case hex digits, as `apiKeyDigest` gives it
 * @throws RangeError if `digest` has another form
 */
export const keyHmac = (pepper: KeyPepper, digest: string): Buffer => {
  if (!DIGEST.test(digest)) throw new RangeError('a key digest has 64 lower-case hex digits');
  return createHmac('sha256', pepper.secret).update(digest, 'hex').digest();
};
