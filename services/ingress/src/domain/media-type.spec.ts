import { describe, expect, it } from '@jest/globals';
import { checkMediaType } from './media-type.js';

describe('checkMediaType', () => {
  it.each([
    ['application/json', undefined],
    ['application/json; charset=utf-8', undefined],
    ['Application/JSON;charset="UTF-8"', 'identity'],
    ['application/json;', undefined],
  ])('takes %s', (type, encoding) => {
    expect(() => checkMediaType(type, encoding)).not.toThrow();
  });

  it.each([
    [undefined, undefined],
    ['', undefined],
    ['text/plain', undefined],
    ['multipart/form-data; boundary=x', undefined],
    ['application/json; charset=utf-16', undefined],
    ['application/json; charset=utf-8; charset=utf-16', undefined],
    ['application/json, text/plain', undefined],
    ['application/json-patch+json', undefined],
    ['application/json', 'gzip'],
    ['application/json', 'identity, gzip'],
  ])('refuses %s with encoding %s', (type, encoding) => {
    expect(() => checkMediaType(type, encoding)).toThrow(
      expect.objectContaining({ code: 'unsupported_media_type' }),
    );
  });

  it.each([' ', ';', '; ', ';charset=utf-8', '"'])('does not try to match 16 KiB of %j', (filling) => {
    const type = `application/json${filling.repeat(16_384 / filling.length)}`;
    expect(() => checkMediaType(type, undefined)).toThrow(
      expect.objectContaining({ code: 'unsupported_media_type' }),
    );
  });
});
