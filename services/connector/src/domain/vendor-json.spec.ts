import { describe, expect, it } from '@jest/globals';
import { parseVendorJson } from './vendor-json.js';

describe('parseVendorJson', () => {
  it('reads JSON', () => {
    expect(parseVendorJson('{"a":[1,"NaN"]}')).toEqual({ a: [1, 'NaN'] });
  });

  it('reads figures that are none as −1 and leaves texts alone', () => {
    expect(parseVendorJson('{"text":"x: NaN, \\" -Infinity","a":NaN,"b":[-Infinity, Infinity]}')).toEqual({
      text: 'x: NaN, " -Infinity',
      a: -1,
      b: [-1, -1],
    });
  });

  it.each(['{"a":', 'NaNs', '<html>', '{"a":NaN'])('refuses %j', (text) => {
    expect(() => parseVendorJson(text)).toThrow(SyntaxError);
  });
});
