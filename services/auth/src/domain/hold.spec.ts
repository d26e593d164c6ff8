import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chooseCeiling, holdAmount, PROMPT_PERMILLE, windowTokens, type HoldBasis } from './hold.js';

const aBasis = (changes: Partial<HoldBasis> = {}): HoldBasis => ({
  completions: 1,
  promptLikely: 1_000,
  promptBound: 4_000,
  price: { input: 200_000_000n, cachedInput: 200_000_000n, output: 400_000_000n },
  promptPermille: PROMPT_PERMILLE,
  ...changes,
});

describe('holdAmount', () => {
  it('is 1.25 × likely prompt × input price + ceiling × output price, times completions', () => {
    // 1,250 tokens at $0.20 and 2,000 at $0.40 per million, three times.
    expect(holdAmount(aBasis({ completions: 3 }), 2_000)).toBe(3n * (250_000n + 800_000n));
  });

  it('rounds up, once', () => {
    const price = { input: 1n, cachedInput: 1n, output: 1n };
    expect(holdAmount(aBasis({ price, completions: 2, promptLikely: 400_000 }), 0)).toBe(1n);
    expect(holdAmount(aBasis({ price, completions: 2, promptLikely: 400_001 }), 0)).toBe(2n);
    expect(holdAmount(aBasis({ price, promptLikely: 0 }), 0)).toBe(0n);
  });

  it('takes an observed factor up to the bound, and never less than usual', () => {
    const price = { input: 1_000_000n, cachedInput: 1_000_000n, output: 0n };
    expect(holdAmount(aBasis({ price, promptPermille: 3_000 }), 0)).toBe(3_000n);
    expect(holdAmount(aBasis({ price, promptPermille: 9_000 }), 0)).toBe(4_000n);
    expect(holdAmount(aBasis({ price, promptPermille: 9_000, promptBound: 10 }), 0)).toBe(1_250n);
  });
});

describe('chooseCeiling', () => {
  it('never changes an explicit ceiling', () => {
    expect(chooseCeiling(aBasis(), 7, 4_096, 0n)).toBe(7);
    expect(chooseCeiling(aBasis(), 0, 4_096, 0n)).toBe(0);
  });

  it('of a model whose output costs nothing is all or the floor', () => {
    const price = { input: 1_000_000n, cachedInput: 1_000_000n, output: 0n };
    expect(chooseCeiling(aBasis({ price }), null, 4_096, 1_250n)).toBe(4_096);
    expect(chooseCeiling(aBasis({ price }), null, 4_096, 1_249n)).toBe(256);
  });

  // Guarantee: a ceiling of ours is the largest that the budget affords, within its bounds.
  it('is the largest affordable one between the floor and the default', () => {
    const amount = fc.bigInt({ min: 0n, max: 10_000_000_000n });
    fc.assert(
      fc.property(
        fc.record({
          completions: fc.integer({ min: 1, max: 8 }),
          promptLikely: fc.nat(100_000),
          input: amount,
          output: amount,
          preset: fc.nat(10_000),
          budget: fc.bigInt({ min: -1_000n, max: 10_000_000_000n }),
        }),
        ({ completions, promptLikely, input, output, preset, budget }) => {
          const basis = aBasis({ completions, promptLikely, price: { input, cachedInput: input, output } });
          const ceiling = chooseCeiling(basis, null, preset, budget);
          const floor = Math.min(256, preset);
          expect(ceiling).toBeGreaterThanOrEqual(floor);
          expect(ceiling).toBeLessThanOrEqual(preset);
          if (ceiling > floor) expect(holdAmount(basis, ceiling) <= budget).toBe(true);
          if (ceiling < preset) expect(holdAmount(basis, ceiling + 1) > budget).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('windowTokens', () => {
  it('is the likely prompt and at most 4,096 of the ceiling, for each completion', () => {
    expect(windowTokens({ completions: 2, promptLikely: 10 }, 20)).toBe(60);
    expect(windowTokens({ completions: 2, promptLikely: 10 }, 100_000)).toBe(2 * 4_106);
  });
});
