import { describe, expect, it } from '@jest/globals';
import { embed } from './embedding.js';

describe('embed', () => {
  it('gives unit vectors that depend on model and text only', () => {
    const vector = embed('m', 'tuna', 256);
    expect(vector).toHaveLength(256);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    expect(embed('m', 'tuna', 256)).toEqual(vector);
    expect(embed('m', 'salmon', 256)).not.toEqual(vector);
  });
});
