import { describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { within } from './within.js';

describe('within', () => {
  it('is the result in time, and leaves no timer behind', async () => {
    const clock = new TestClock();
    expect(await within(clock, 100, Promise.resolve('done'), 'late')).toBe('done');
    expect(clock.waiting).toBe(0);
    await expect(within(clock, 100, Promise.reject(new Error('no')), 'late')).rejects.toThrow('no');
    expect(clock.waiting).toBe(0);
  });

  it('is late after the time', async () => {
    const clock = new TestClock();
    const result = within(clock, 100, new Promise(() => undefined), 'late');
    clock.advance(100);
    expect(await result).toBe('late');
  });
});
