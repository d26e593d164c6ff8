import { describe, expect, it } from '@jest/globals';
import { holdTickShape } from './tick-shape.js';

describe('the shape of ticks', () => {
  it('is held by an object from the queue of `process.nextTick`', () => {
    expect(Object.keys(holdTickShape() ?? {})).toEqual(expect.arrayContaining(['callback', 'args']));
  });
});
