import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { apiKeyDigest } from './api-key.js';
import { keyHmac, parsePeppers } from './key-hmac.js';

const HEX_A = 'aa'.repeat(32);
const HEX_B = 'bb'.repeat(16);

describe('parsePeppers', () => {
  it('keeps the order: the first is the current one', () => {
    const [current, former] = parsePeppers(`7:${HEX_A}, 2:${HEX_B}`);
    expect(current).toEqual({ version: 7, secret: Buffer.alloc(32, 0xaa) });
    expect(former).toEqual({ version: 2, secret: Buffer.alloc(16, 0xbb) });
  });

  it.each([
    '',
    '1',
    `0:${HEX_A}`,
    '1:',
    '1:abc',
    `1:${'aa'.repeat(15)}`,
    `1:${HEX_A},`,
    `1:${HEX_A},1:${HEX_B}`,
    `x:${HEX_A}`,
  ])('refuses %j', (text) => {
    expect(() => parsePeppers(text)).toThrow(RangeError);
  });

  // Guarantee: a pepper that was mistyped does not end up in a log through the error.
  it('never repeats the secret in its error', () => {
    expect(() => parsePeppers(`one:${HEX_A}`)).toThrow(expect.not.stringContaining(HEX_A) as never);
  });
});

describe('keyHmac', () => {
  const [pepper] = parsePeppers(`1:${HEX_A}`);
  const digest = apiKeyDigest('sk-some-key');

  it('is HMAC-SHA-256 over the 32 bytes of the digest', () => {
    const expected = createHmac('sha256', Buffer.alloc(32, 0xaa))
      .update(Buffer.from(digest, 'hex'))
      .digest('hex');
    expect(keyHmac(pepper, digest).toString('hex')).toBe(expected);
  });

  it('differs by pepper', () => {
    const [other] = parsePeppers(`1:${HEX_B}`);
    expect(keyHmac(other, digest).equals(keyHmac(pepper, digest))).toBe(false);
  });

  it.each(['', 'abc', digest.toUpperCase(), `${digest}00`])('refuses the digest %j', (text) => {
    expect(() => keyHmac(pepper, text)).toThrow(RangeError);
  });
});
