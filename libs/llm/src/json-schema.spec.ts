import { describe, expect, it } from '@jest/globals';
import { compileSchema, SchemaError, SCHEMA_DEPTH_MAX } from './json-schema.js';

const nested = (levels: number): Record<string, unknown> =>
  levels === 1 ? { type: 'string' } : { type: 'object', properties: { a: nested(levels - 1) } };
const refusal = (schema: Record<string, unknown>): string => {
  try {
    compileSchema(schema);
  } catch (error) {
    expect(error).toBeInstanceOf(SchemaError);
    return (error as Error).message;
  }
  throw new Error('expected a refusal');
};

describe('compileSchema', () => {
  it('judges values by draft 2020-12', () => {
    const schema = compileSchema({
      type: 'object',
      properties: { pair: { prefixItems: [{ type: 'string' }, { type: 'integer' }], items: false } },
      required: ['pair'],
      additionalProperties: false,
    });
    expect(schema.problemOf({ pair: ['a', 1] })).toBeUndefined();
    expect(schema.problemOf({ pair: ['a', 'b'] })).toBe('/pair/1 must be integer');
    expect(schema.problemOf({})).toContain("required property 'pair'");
  });

  it('follows local references, also to themselves', () => {
    const schema = compileSchema({
      $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } }, required: ['id'] } },
      $ref: '#/$defs/node',
    });
    expect(schema.problemOf({ id: 1, next: { id: 2 } })).toBeUndefined();
    expect(schema.problemOf({ id: 1, next: {} })).toContain("required property 'id'");
  });

  // Guarantee: converters that name an older draft or an address do not make a schema unusable, nor have it fetched.
  it('does without the names of a schema', () => {
    const schema = compileSchema({
      $schema: 'http://json-schema.org/draft-07/schema#',
      $id: 'https://example.com/thing.json',
      type: 'object',
      properties: { id: { type: 'string' } },
      required: ['id'],
    });
    expect(schema.problemOf({ id: 'a' })).toBeUndefined();
    expect(schema.problemOf({})).toBeDefined();
  });

  it('leaves values that look like names alone', () => {
    expect(compileSchema({ const: { id: 'a', $id: 'b' } }).problemOf({ id: 'a', $id: 'b' })).toBeUndefined();
  });

  it('takes formats and unknown keywords for notes', () => {
    expect(
      compileSchema({ type: 'string', format: 'email', hint: 1 }).problemOf('no address'),
    ).toBeUndefined();
  });

  it(`takes ${SCHEMA_DEPTH_MAX} levels and not one more`, () => {
    expect(compileSchema(nested(SCHEMA_DEPTH_MAX)).problemOf({})).toBeUndefined();
    expect(refusal(nested(SCHEMA_DEPTH_MAX + 1))).toContain('deeper than 10');
  });

  it.each([
    [{ $ref: 'https://example.com/schema.json' }, 'must be local'],
    [{ type: 'object', properties: { a: { $ref: 'other.json#/a' } } }, 'must be local'],
    [{ $ref: '#/$defs/nobody' }, 'not valid'],
    [{ type: 'thing' }, 'not valid'],
    [{ type: 'string', pattern: '(' }, 'not valid'],
    [{ enum: [...Array(30_000).keys()].map(String) }, 'at most 102400'],
  ])('refuses %j', (schema, words) => {
    expect(refusal(schema as Record<string, unknown>)).toContain(words);
  });

  // Guarantee: a pattern that backtracks without end costs a moment, not the process.
  it('gives up on a pattern that takes for ever', () => {
    const schema = compileSchema({ type: 'string', pattern: '^(a+)+$' });
    expect(schema.problemOf('aaaa')).toBeUndefined();
    expect(schema.problemOf('b')).toContain('pattern');
    expect(schema.problemOf(`${'a'.repeat(60)}!`)).toBeUndefined();
    expect(compileSchema({ type: 'integer' }).problemOf(1)).toBeUndefined();
  });

  // Guarantee: one client's schema that takes for ever is that client's problem.
  it('compiles the next schema after one that took too long', () => {
    const properties = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`p${index}`, { type: 'string', pattern: `^${index}` }]),
    );
    const slow = {
      $defs: { a: { properties } },
      allOf: Array.from({ length: 2_500 }, () => ({ $ref: '#/$defs/a' })),
    };
    expect(() => compileSchema(slow)).toThrow(/takes too long/);
    const compiled = compileSchema({ properties: { after: { type: 'string' } } });
    expect([compiled.problemOf({ after: 'x' }), compiled.problemOf({ after: 5 })]).toEqual([
      undefined,
      '/after must be string',
    ]);
  });
});
