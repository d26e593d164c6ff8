import { describe, expect, it } from '@jest/globals';
import { checkSchema, SchemaError, SCHEMA_DEPTH_MAX, SUBSCHEMAS_MAX } from './check-schema.js';

type Json = Readonly<Record<string, unknown>>;

const nested = (levels: number): Json =>
  levels === 1 ? { type: 'string' } : { type: 'object', properties: { a: nested(levels - 1) } };
const refusal = (schema: Json): SchemaError => {
  try {
    checkSchema(schema);
  } catch (error) {
    expect(error).toBeInstanceOf(SchemaError);
    return error as SchemaError;
  }
  throw new Error('expected a refusal');
};

describe('checkSchema', () => {
  it.each<[string, Json]>([
    ['a reference to the root', { type: 'object', properties: { next: { $ref: '#' } } }],
    ['a definition', { $defs: { 'a/b c': { type: 'string' } }, $ref: '#/$defs/a~1b%20c' }],
    ['a definition of an older draft', { definitions: { a: {} }, allOf: [{ $ref: '#/definitions/a' }] }],
    ['an anchor', { $defs: { a: { $anchor: 'node' } }, $ref: '#node' }],
    [
      'a reference into what is no keyword',
      { components: { a: { type: 'string' } }, $ref: '#/components/a' },
    ],
    [
      'names of an older draft',
      {
        $schema: 'http://json-schema.org/draft-07/schema#',
        $id: 'https://example.com/thing.json#root',
        properties: { id: { $id: '#/properties/id', type: 'string' } },
      },
    ],
    [`${SCHEMA_DEPTH_MAX} levels`, nested(SCHEMA_DEPTH_MAX)],
    ['what looks like a schema and is a value', { const: { $ref: 'https://example.com', pattern: '(' } }],
  ])('takes %s', (_, schema) => {
    expect(() => checkSchema(schema)).not.toThrow();
  });

  // Guarantee: what a schema costs is proportional to its size. Compiling this one took seconds.
  it('takes two thousand alternatives', () => {
    const oneOf = Array.from({ length: 2_000 }, (_, index) => ({
      properties: { [`p${index}`]: { type: 'string' } },
    }));
    expect(() => checkSchema({ oneOf })).not.toThrow();
  });

  it.each<[Json, string]>([
    [{ $ref: 'https://example.com/schema.json' }, 'must be local'],
    [{ type: 'object', properties: { a: { $ref: 'other.json#/a' } } }, 'must be local'],
    [{ $ref: '#/$defs/nobody' }, 'resolve'],
    [{ $ref: '#nobody' }, 'resolve'],
    [{ $ref: '#/constructor' }, 'resolve'],
    [{ $ref: '#/%' }, 'no reference'],
    [{ $ref: `#/${'a'.repeat(1_100)}` }, 'at most|more than 1024'],
    [{ type: 'thing' }, 'not valid'],
    [{ properties: { a: { type: 'thing' } } }, '/properties/a'],
    [{ properties: [] }, 'not valid'],
    [{ items: [{}] }, 'not valid'],
    [{ type: 'string', pattern: '(' }, 'not valid'],
    [{ patternProperties: { '(': {} } }, 'not valid'],
    [{ pattern: 'a'.repeat(5_000) }, 'more than 4096'],
    [nested(SCHEMA_DEPTH_MAX + 1), 'deeper than 10'],
    [{ anyOf: Array.from({ length: SUBSCHEMAS_MAX }, () => ({})) }, `more than ${SUBSCHEMAS_MAX}`],
    [{ enum: [...Array(30_000).keys()].map(String) }, 'at most 102400'],
  ])('refuses %j', (schema, words) => {
    expect(refusal(schema).message).toMatch(new RegExp(words));
  });

  // Guarantee: a schema that was refused is not looked at again.
  it('remembers what it refused', () => {
    const schema = { type: 'object', properties: { a: { type: 'nothing of this world' } } };
    expect(refusal(structuredClone(schema))).toBe(refusal(structuredClone(schema)));
  });
});
