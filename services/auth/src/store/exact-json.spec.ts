import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { exactParse, exactStringify } from './exact-json.js';

describe('exactStringify and exactParse', () => {
  it('keep amounts beyond what a number can hold', () => {
    const value = { amount: 9_007_199_254_740_993n, list: [-1n, 0n, { deep: 10n ** 30n }] };
    expect(exactParse(exactStringify(value))).toEqual(value);
  });

  it('keep text that looks like an amount', () => {
    expect(exactParse(exactStringify({ text: '12', n: 'n12' }))).toEqual({ text: '12', n: 'n12' });
  });

  it('keep everything that JSON keeps', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(exactParse(exactStringify(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
