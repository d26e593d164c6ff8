import { describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { Cooldowns } from './cooldowns.js';

describe('Cooldowns', () => {
  it('leaves a key alone until its time is over', () => {
    const clock = new TestClock();
    const cooldowns = new Cooldowns(clock);
    cooldowns.cool('a', 1_000);
    expect([cooldowns.waitMs('a'), cooldowns.waitMs('b')]).toEqual([1_000, 0]);
    clock.advance(999);
    expect(cooldowns.waitMs('a')).toBe(1);
    clock.advance(1);
    expect(cooldowns.waitMs('a')).toBe(0);
  });

  it('keeps the longer of two', () => {
    const cooldowns = new Cooldowns(new TestClock());
    cooldowns.cool('a', 5_000);
    cooldowns.cool('a', 1_000);
    expect(cooldowns.waitMs('a')).toBe(5_000);
    cooldowns.clear('a');
    expect(cooldowns.waitMs('a')).toBe(0);
  });
});
