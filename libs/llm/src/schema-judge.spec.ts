import { describe, expect, it } from '@jest/globals';
import { problemOf } from './schema-judge.js';

type Json = Readonly<Record<string, unknown>>;

const judge = (schema: Json, value: unknown): string | undefined =>
  problemOf(JSON.stringify(schema), JSON.stringify(value));

describe('problemOf', () => {
  const pair = {
    type: 'object',
    properties: { pair: { prefixItems: [{ type: 'string' }, { type: 'integer' }], items: false } },
    required: ['pair'],
    additionalProperties: false,
  };
  const tree = { type: 'object', properties: { next: { $ref: '#' } }, required: ['id'] };

  it.each<[Json, unknown, unknown]>([
    [pair, { pair: ['a', 1] }, { pair: ['a', 'b'] }],
    [pair, { pair: ['a'] }, {}],
    [pair, { pair: [] }, { pair: [], more: 1 }],
    [tree, { id: 1, next: { id: 2 } }, { id: 1, next: { id: 2, next: {} } }],
    [{ $defs: { 'a/b': { type: 'null' } }, items: { $ref: '#/$defs/a~1b' } }, [null], [1]],
    [{ $defs: { a: { $dynamicAnchor: 'n', type: 'null' } }, $dynamicRef: '#n' }, null, 1],
    [{ anyOf: [{ type: 'string' }, { minimum: 3, type: 'number' }] }, 3, 2],
    [{ oneOf: [{ multipleOf: 2 }, { multipleOf: 3 }] }, 4, 6],
    [{ not: { enum: ['a'] } }, 'b', 'a'],
    [{ if: { type: 'string' }, then: { maxLength: 1 } }, '😀', 'ab'],
    [{ allOf: [{ properties: { a: true } }], unevaluatedProperties: false }, { a: 1 }, { b: 1 }],
    [{ dependentRequired: { a: ['b'] } }, { a: 1, b: 1 }, { a: 1 }],
    [{ contains: { const: { id: 'a', $id: 'b' } } }, [{ $id: 'b', id: 'a' }], [{ id: 'a' }]],
    [{ propertyNames: { pattern: '^p' }, minProperties: 1 }, { p: 1 }, { q: 1 }],
    [{ patternProperties: { '^n': { type: 'number' } } }, { n: 1 }, { n: '1' }],
    [{ uniqueItems: true }, [1, true, '1', { a: 1 }], [{ a: 1 }, { a: 1 }]],
    [{ properties: { format: { type: 'string' }, id: { type: 'string' } } }, { format: 'x' }, { id: 1 }],
  ])('judges by draft 2020-12: %j', (schema, good, bad) => {
    expect(judge(schema, good)).toBeUndefined();
    expect(judge(schema, bad)).toBeDefined();
  });

  it('says where the problem is and what', () => {
    expect(judge(pair, { pair: ['a', 'b'] })).toBe(
      '/pair/1: Instance type "string" is invalid. Expected "integer".',
    );
    expect(judge(pair, {})).toBe('the value: Instance does not have required property "pair".');
    expect(judge({ enum: [...Array(5_000).keys()] }, 'a')!.length).toBeLessThanOrEqual(500);
  });

  it('says so of a text that is no JSON', () => {
    expect(problemOf('{}', '{"a":')).toBe('it is not JSON');
  });

  // Guarantee: converters that name an older draft or an address do not make a schema unusable, nor have it fetched.
  it('does without the names of a schema', () => {
    const schema = {
      $schema: 'http://json-schema.org/draft-07/schema#',
      $id: 'https://example.com/thing.json',
      properties: { id: { $id: '#/properties/id', type: 'string' } },
      required: ['id'],
    };
    expect(judge(schema, { id: 'a' })).toBeUndefined();
    expect(judge(schema, { id: 1 })).toBeDefined();
  });

  it('takes formats and unknown keywords for notes', () => {
    expect(judge({ type: 'string', format: 'email', hint: 1 }, 'no address')).toBeUndefined();
  });

  // Guarantee: a pattern that backtracks without end costs a moment, not the thread.
  it('gives up on a pattern that takes for ever', () => {
    const schema = { type: 'string', pattern: '^(a+)+$' };
    expect(judge(schema, 'aaaa')).toBeUndefined();
    expect(judge(schema, 'b')).toContain('pattern');
    expect(judge(schema, `${'a'.repeat(60)}!`)).toBeUndefined();
    expect(judge({ type: 'integer' }, 'a')).toBeDefined();
  });

  // Guarantee: a schema that goes in circles, or in ever more branches, is given up.
  it('gives up on a schema without an end', () => {
    const branches = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => {
        const next = { $ref: `#/$defs/d${index + 1}` };
        return [`d${index}`, { allOf: [next, next] }];
      }),
    );
    expect(judge({ $ref: '#' }, 1)).toBeUndefined();
    expect(judge({ $defs: { ...branches, d40: true }, $ref: '#/$defs/d0' }, 1)).toBeUndefined();
    expect(judge({ type: 'integer' }, 'a')).toBeDefined();
  });
});
