import { describe, expect, it } from '@jest/globals';
import { backoffMs, jittered } from './random.js';

describe('jittered', () => {
  it.each([
    [0, 80],
    [0.5, 100],
    [1, 120],
  ])('with chance %d', (chance, ms) => {
    expect(jittered(100, 0.2, () => chance)).toBe(ms);
  });
});

describe('backoffMs', () => {
  it('doubles its range with every retry up to the cap, and uses all of it', () => {
    expect([0, 1, 2, 3, 9].map((retry) => backoffMs(retry, 100, 1_000, () => 1))).toEqual([
      100, 200, 400, 800, 1_000,
    ]);
    expect(backoffMs(3, 100, 1_000, () => 0)).toBe(0);
  });
});
