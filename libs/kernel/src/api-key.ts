import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SECRET_CHARS = 32;
const CHECKSUM_CHARS = 6;
const KEY = /^sk-[0-9A-Za-z]{38}$/;

const checksum = (secret: string): string => {
  let rest = crc32(secret);
  let text = '';
  for (let i = 0; i < CHECKSUM_CHARS; i += 1) {
    text = BASE62[rest % 62]! + text;
    rest = Math.floor(rest / 62);
  }
  return text;
};

/**
 * A new customer key: `sk-`, 32 random base62 characters (190 bits), 6 characters of CRC-32 in base62. The checksum
 * lets an edge or a secret scanner refuse a mistyped or invented key without any look-up.
 */
export const generateApiKey = (): string => {
  let secret = '';
  while (secret.length < SECRET_CHARS) {
    // 248 is the largest multiple of 62 below 256: bytes above it would favour some characters.
    for (const byte of randomBytes(SECRET_CHARS))
      if (byte < 248 && secret.length < SECRET_CHARS) secret += BASE62[byte % 62];
  }
  return `sk-${secret}${checksum(secret)}`;
};

/** True if the text has the form of a key and its checksum fits. Says nothing about whether the key exists. */
export const isWellFormedApiKey = (key: string): boolean =>
  KEY.test(key) && key.slice(3 + SECRET_CHARS) === checksum(key.slice(3, 3 + SECRET_CHARS));

/**
 * SHA-256 of a key, hex. This is what leaves the edge: no other process ever sees the key itself. At rest only an
 * HMAC of this digest under a pepper is kept.
 */
export const apiKeyDigest = (key: string): string => hash('sha256', key);

/** The part of a key that may be shown again: prefix and last four characters. */
export const apiKeyHint = (key: string): string => `${key.slice(0, 7)}…${key.slice(-4)}`;
