import { describe, expect, it } from '@jest/globals';
import type { Fault } from '@tunan/kernel';
import fc from 'fast-check';
import { JSON_DEPTH_MAX, JSON_NODES_MAX, JSON_VALUES_MAX } from './json-measure.js';
import { parseJsonObject } from './json-object.js';

const read = (text: string | Buffer): unknown => parseJsonObject(Buffer.from(text));

const refusal = (text: string | Buffer): Partial<Fault> | undefined => {
  try {
    read(text);
    return undefined;
  } catch (error) {
    return error as Fault;
  }
};

describe('parseJsonObject', () => {
  it('reads whatever JSON.stringify writes, and nothing else comes out than JSON.parse would give', () => {
    const key = fc.string().filter((name) => name !== '__proto__' && !name.includes('\u0000'));
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constant(null),
        fc.boolean(),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\u0000', '')),
        fc.constantFrom('"', '\\', '\\"', '{":,[', '\\u0000'),
        fc.array(tie('value')),
        fc.dictionary(key, tie('value'), { noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(key, value, { noNullPrototype: true }), fc.boolean(), (object, spaced) => {
        const text = JSON.stringify(object, null, spaced ? 2 : 0);
        expect(read(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    ['nothing', ''],
    ['text that ends early', '{"a":'],
    ['an array', '[]'],
    ['null', 'null'],
    ['a string', '"x"'],
    ['a number', '5'],
    ['NaN', '{"a":NaN}'],
    ['a comment', '{"a":1/*x*/}'],
    ['a comma too many', '{"a":1,}'],
    ['an unfinished string', '{"a":"'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['a member twice', '{"model":"a","model":"b"}'],
    ['a member twice, written differently', '{"model":"a","mod\\u0065l":"b"}'],
    ['a member twice, far inside', '{"a":[{"b":{"c":1,"d":2,"c":3}}]}'],
    ['__proto__', '{"a":{"__proto__":{"admin":true}}}'],
    ['__proto__ in disguise', '{"\\u005f_proto__":1}'],
    ['constructor.prototype', '{"constructor":{"prototype":{}}}'],
    ['a member whose name has a NUL', '{"a\\u0000":1}'],
  ])('refuses %s', (_, text) => {
    expect(refusal(text)).toMatchObject({ code: 'invalid_json' });
  });

  it.each([
    ['a byte order mark', '\ufeff{"a":1}'],
    ['half a surrogate pair', '{"a":"\\ud800"}'],
    ['what looks like a NUL', '{"a":"\\\\u0000"}'],
    ['a tool parameter named constructor', '{"constructor":{"type":"string"}}'],
  ])('takes %s', (_, text) => {
    expect(refusal(text)).toBeUndefined();
  });

  it('names the member that contains a NUL', () => {
    expect(refusal('{"messages":[{"content":"a\\u0000b"}]}')).toMatchObject({
      code: 'invalid_value',
      param: 'messages[0].content',
    });
  });

  it('names it only by its beginning if it is as large as a body', () => {
    const name = 'n'.repeat(1_000_000);
    const { param, publicMessage } = refusal(`{"${name}":{"a":"\\u0000"}}`) as Fault;
    expect([param!.length, publicMessage!.length < 500]).toEqual([200, true]);
  });

  it('takes what is as deep, as full and as long as allowed, and nothing beyond', () => {
    const nested = (levels: number): string => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    const members = (count: number): string =>
      JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 0])));
    const items = (count: number): string => `{"a":[${Array(count).fill(0).join()}]}`;
    expect(refusal(nested(JSON_DEPTH_MAX))).toBeUndefined();
    expect(refusal(nested(JSON_DEPTH_MAX + 1))?.message).toContain('nested deeper');
    expect(refusal(members(JSON_NODES_MAX - 1))).toBeUndefined();
    expect(refusal(members(JSON_NODES_MAX))?.message).toContain('more than');
    expect(refusal(items(JSON_VALUES_MAX + 1))).toBeUndefined();
    expect(refusal(items(JSON_VALUES_MAX + 2))?.message).toContain('more than');
    expect(() => parseJsonObject(Buffer.from(items(JSON_VALUES_MAX + 2)), 2 * JSON_VALUES_MAX)).not.toThrow();
  });

  it('refuses what a parser would need gigabytes for without parsing it', () => {
    const megabytes20 = 20 * 1024 * 1024;
    for (const unit of ['[', '{"a":', '[],', '{},', '"a":0,', '0,']) {
      const text = `{"a":[${unit.repeat(megabytes20 / unit.length)}`;
      const before = process.memoryUsage().heapUsed;
      expect(refusal(text)).toMatchObject({ code: 'invalid_json' });
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(3 * megabytes20);
    }
  });
});
