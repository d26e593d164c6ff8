import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Ring } from './ring.js';

describe('Ring', () => {
  // Guarantee: whatever is put in and taken out, in any order and number, it is the queue that an array is.
  it('is a queue, however often it wraps and grows', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -80, max: 100 }), { maxLength: 40 }), (steps) => {
        const ring = new Ring<number>();
        const model: number[] = [];
        let next = 0;
        for (const step of steps) {
          for (let count = 0; count < step; count += 1) {
            ring.push(next);
            model.push(next);
            next += 1;
          }
          for (let count = 0; count > step; count -= 1) expect(ring.shift()).toBe(model.shift());
          expect(ring.size).toBe(model.length);
          expect([...ring]).toEqual(model);
        }
      }),
    );
  });

  it('has nothing to give when it is empty', () => {
    const ring = new Ring<string>();
    expect(ring.shift()).toBeUndefined();
    ring.push('one');
    expect(ring.shift()).toBe('one');
    expect(ring.shift()).toBeUndefined();
    expect(ring.size).toBe(0);
  });
});
