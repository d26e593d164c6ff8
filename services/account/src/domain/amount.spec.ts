import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatUsd } from '@tunan/kernel';
import { AMOUNT_MAX, readAmount } from './amount.js';

describe('readAmount', () => {
  it.each([
    ['0', 0n],
    ['0.50', 500_000_000n],
    ['0.000000001', 1n],
    ['1000000', 1_000_000_000_000_000n],
  ])('reads %s', (text, amount) => {
    expect(readAmount(text)).toBe(amount);
  });

  it.each([
    '',
    '-1',
    '1000000.000000001',
    '0.0000000001',
    '5e3',
    '1,5',
    ' 5',
    '$5',
    'NaN',
    '0x10',
    '5.',
    '.5',
  ])('refuses %j', (text) => {
    expect(readAmount(text)).toBeNull();
  });

  it('reads every amount it may, as it is printed', () => {
    fc.assert(fc.property(fc.bigInt(0n, AMOUNT_MAX), (amount) => readAmount(formatUsd(amount)) === amount));
  });
});
