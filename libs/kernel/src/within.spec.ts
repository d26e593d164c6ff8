import { describe, expect, it } from '@jest/globals';
import { TestClock } from './testing/index.js';
import { answerWithin, within } from './within.js';

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

  // Guarantee: what came in time is not given up because this process was busy itself.
  it('reads what has come before it is late, if its own event loop was', async () => {
    const clock = new TestClock();
    const { promise, resolve } = Promise.withResolvers<string>();
    const result = within(clock, 100, promise, 'late');
    const never = within(clock, 100, new Promise(() => undefined), 'late');
    clock.block(180);
    clock.advance(0);
    resolve('done');
    expect(await result).toBe('done');
    clock.advance(80);
    expect(await never).toBe('late');
    expect(clock.waiting).toBe(0);
  });
});

describe('answerWithin', () => {
  it('is the answer in time, its failure, or a fault that names who is late', async () => {
    const clock = new TestClock();
    expect(await answerWithin(clock, 100, 'billing', Promise.resolve(7))).toBe(7);
    await expect(answerWithin(clock, 100, 'billing', Promise.reject(new Error('no')))).rejects.toThrow('no');
    const late = answerWithin(clock, 100, 'billing', new Promise(() => undefined));
    clock.advance(100);
    await expect(late).rejects.toMatchObject({
      code: 'service_unavailable',
      message: 'billing: no answer in 100 ms',
    });
    expect(clock.waiting).toBe(0);
  });
});
