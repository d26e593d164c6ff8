import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { normalizeEmail } from './email.js';

describe('normalizeEmail', () => {
  it.each([
    ['ada@example.com', 'ada@example.com'],
    ['  Ada.Lovelace@Example.COM ', 'ada.lovelace@example.com'],
    ['ada+news@mail.example.co.uk', 'ada+news@mail.example.co.uk'],
    ['demo@tunan.localhost', 'demo@tunan.localhost'],
    ['a@bücher.example', 'a@xn--bcher-kva.example'],
    ['a@例え.テスト', 'a@xn--r8jz45g.xn--zckzah'],
  ])('keeps %j as %j', (given, kept) => {
    expect(normalizeEmail(given)).toBe(kept);
  });

  it.each([
    '',
    'ada',
    '@example.com',
    'ada@',
    'ada@host',
    'ada@example.123',
    'ada@@example.com',
    'a b@example.com',
    'ada@exa mple.com',
    '.ada@example.com',
    'a..b@example.com',
    '"a"@example.com',
    'ada@[127.0.0.1]',
    'ada@-example.com',
    'ada@example.com\r\nBcc: x@example.com',
    'ada\0@example.com',
    'ädä@example.com',
    `${'a'.repeat(65)}@example.com`,
    `a@${'b'.repeat(64)}.com`,
    `a@${'bcd.'.repeat(80)}com`,
  ])('refuses %j', (given) => {
    expect(normalizeEmail(given)).toBeNull();
  });

  // Guarantee: what is kept is a fixed point, so that a second sign-up with the kept form meets the unique index.
  it('is idempotent and never keeps blanks, upper case or control characters', () => {
    const part = fc.string({ unit: 'grapheme', maxLength: 20 });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.emailAddress(),
          fc.tuple(part, part).map((parts) => parts.join('@')),
        ),
        (given) => {
          const kept = normalizeEmail(given);
          if (kept === null) return;
          expect(normalizeEmail(kept)).toBe(kept);
          expect(normalizeEmail(given.toUpperCase())).toBe(kept);
          expect(kept).toMatch(/^[!-~]{3,254}$/);
          expect(kept).toBe(kept.toLowerCase());
        },
      ),
    );
  });
});
