import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RandomSequence } from './random.js';
import { writeInstance } from './schema-instance.js';

const write = (schema: Record<string, unknown>, seed = 1): unknown =>
  writeInstance(schema, new RandomSequence(seed));

describe('writeInstance', () => {
  it('keeps numbers within their bounds', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: -1_000, max: 1_000 }), fc.nat(50), (seed, minimum, width) => {
        const value = write({ type: 'integer', minimum, maximum: minimum + width }, seed) as number;
        expect(Number.isInteger(value)).toBe(true);
        expect(value).toBeGreaterThanOrEqual(minimum);
        expect(value).toBeLessThanOrEqual(minimum + width);
      }),
    );
  });

  it.each([
    [{ type: 'integer', exclusiveMinimum: 4, exclusiveMaximum: 6 }, 5],
    [{ type: 'integer', maximum: -3 }, -3],
    [{ enum: ['only'] }, 'only'],
    [{ const: { a: 1 } }, { a: 1 }],
    [{ type: ['null', 'string'] }, null],
    [{ anyOf: [{ const: 1 }, { type: 'null' }] }, 1],
    [{ allOf: [{ properties: { a: { const: 1 } } }, { properties: { b: { const: 2 } } }] }, { a: 1, b: 2 }],
    [{ $ref: '#/$defs/x', $defs: { x: { const: 'referred' } } }, 'referred'],
    [{ type: 'array', items: { const: 0 }, minItems: 3 }, [0, 0, 0]],
    [{ type: 'string', format: 'email' }, 'tuna@example.com'],
  ])('fits %j', (schema, value) => {
    expect(write(schema)).toEqual(value);
  });

  it('respects lengths of texts', () => {
    expect(write({ type: 'string', minLength: 90 })).toHaveLength(90);
    expect(write({ type: 'string', maxLength: 2 })).toHaveLength(2);
  });

  it('ends although a schema refers to itself', () => {
    const node = {
      type: 'object',
      properties: { next: { $ref: '#' }, list: { type: 'array', items: { $ref: '#' } } },
    };
    expect(JSON.stringify(write(node)).length).toBeLessThan(10_000);
    expect(() => write({ ...node, required: ['next'] })).not.toThrow();
  });
});
