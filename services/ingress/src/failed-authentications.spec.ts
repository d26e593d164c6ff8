import { describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { FailedAuthentications } from './failed-authentications.js';

describe('FailedAuthentications', () => {
  it('lets 60 a minute fail per address, then says when the next one may', () => {
    const clock = new TestClock();
    const failed = new FailedAuthentications(clock, 10);
    for (let attempt = 1; attempt <= 60; attempt += 1) {
      expect(failed.isExceeded('a')).toBe(false);
      expect(failed.count('a')).toBe(0);
      expect(failed.state('a')).toMatchObject({ limit: 60, remaining: 60 - attempt });
    }
    expect([failed.isExceeded('a'), failed.isExceeded('b')]).toEqual([true, false]);
    const waitMs = failed.count('a');
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(60_000);
    expect(failed.count('b')).toBe(0);
    clock.advance(waitMs);
    expect(failed.isExceeded('a')).toBe(false);
    expect(failed.count('a')).toBe(0);
  });

  it('remembers a bounded number of addresses, the latest', () => {
    const failed = new FailedAuthentications(new TestClock(), 2);
    for (const address of ['a', 'b', 'a', 'c']) failed.count(address);
    expect(['a', 'b', 'c'].map((address) => failed.state(address).remaining)).toEqual([58, 60, 59]);
  });
});
