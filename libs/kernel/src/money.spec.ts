import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatUsd, parseUsd, priceOf, quotaLeft, quotaUsed, type TokenPrice } from './money.js';

const nano = fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n });
const tokens = fc.integer({ min: 0, max: 2_000_000 });
const price = fc.bigInt({ min: 0n, max: 100_000_000_000n });

describe('dollars as text', () => {
  it('survive a round trip exactly', () => {
    fc.assert(fc.property(nano, (amount) => parseUsd(formatUsd(amount)) === amount));
  });

  it.each([
    [0n, '0.0'],
    [1n, '0.000000001'],
    [500_000_000n, '0.5'],
    [5_000_000_000n, '5.0'],
    [-1_230_000_000n, '-1.23'],
  ])('%d nano-dollars are %s', (amount, text) => {
    expect(formatUsd(amount)).toBe(text);
  });

  it('always have a point and one to nine places, never an exponent', () => {
    fc.assert(fc.property(nano, (amount) => /^-?\d+\.\d{1,9}$/.test(formatUsd(amount))));
  });

  it.each(['', ' 1', '1e3', '0.0000000001', '1.', '.5', '1,5', 'NaN', '+1', '1234567890123'])(
    '%j is refused',
    (text) => {
      expect(() => parseUsd(text)).toThrow(RangeError);
    },
  );
});

describe('quota units', () => {
  it('never show more left, nor less used, than there is', () => {
    fc.assert(
      fc.property(nano, (amount) => {
        expect(quotaLeft(amount) * 2_000n).toBeLessThanOrEqual(amount);
        expect(quotaLeft(amount) * 2_000n).toBeGreaterThan(amount - 2_000n);
        if (amount >= 0n) expect(quotaUsed(amount) * 2_000n).toBeGreaterThanOrEqual(amount);
      }),
    );
  });

  it('are 500,000 to the dollar', () => {
    expect(quotaLeft(parseUsd('1'))).toBe(500_000n);
  });
});

describe('priceOf', () => {
  it('charges the documented example: 1,000,000 tokens in and out of deepseek-chat cost $0.60', () => {
    const deepseekChat: TokenPrice = {
      input: parseUsd('0.20'),
      cachedInput: parseUsd('0.20'),
      output: parseUsd('0.40'),
    };
    expect(priceOf({ prompt: 1_000_000, cachedPrompt: 0, completion: 1_000_000 }, deepseekChat)).toBe(
      parseUsd('0.60'),
    );
    expect(priceOf({ prompt: 8, cachedPrompt: 3, completion: 9 }, deepseekChat)).toBe(5_200n);
  });

  it('rounds once, half up, to a whole nano-dollar', () => {
    const half: TokenPrice = { input: 500_000n, cachedInput: 500_000n, output: 0n };
    expect(priceOf({ prompt: 1, cachedPrompt: 0, completion: 0 }, half)).toBe(1n);
    expect(priceOf({ prompt: 3, cachedPrompt: 1, completion: 0 }, half)).toBe(2n);
    expect(priceOf({ prompt: 1, cachedPrompt: 0, completion: 0 }, { ...half, input: 499_999n })).toBe(0n);
  });

  it('is off by at most half a nano-dollar from the exact price, and grows with the tokens', () => {
    fc.assert(
      fc.property(tokens, tokens, price, price, (prompt, completion, input, output) => {
        const exact = BigInt(prompt) * input + BigInt(completion) * output;
        const charged = priceOf(
          { prompt, cachedPrompt: 0, completion },
          { input, cachedInput: input, output },
        );
        const error = charged * 1_000_000n - exact;
        expect(error).toBeLessThanOrEqual(500_000n);
        expect(error).toBeGreaterThan(-500_000n);
      }),
    );
  });
});
