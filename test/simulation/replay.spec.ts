import { describe, expect, it } from '@jest/globals';
import { simulate } from './simulation.js';

describe('a simulation', () => {
  // Guarantee: what one machine finds, every other can look at: the same seed is the same run, step by step.
  it('runs the same way again from the same seed', async () => {
    for (let seed = 0; seed < 8; seed += 1)
      for (const topology of ['one process', 'a process each'] as const) {
        const first = await simulate(seed, topology, { keepTrace: true });
        const second = await simulate(seed, topology, { keepTrace: true });
        expect(second.trace).toEqual(first.trace);
        expect(second.hash).toBe(first.hash);
        // Whether somebody reads along changes nothing.
        expect((await simulate(seed, topology)).hash).toBe(first.hash);
      }
  }, 120_000);

  it('runs another way from another seed', async () => {
    const hashes = new Set<string>();
    for (let seed = 0; seed < 20; seed += 1) hashes.add((await simulate(seed, 'a process each')).hash);
    expect(hashes.size).toBe(20);
  }, 120_000);
});
