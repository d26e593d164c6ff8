import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { StopCutter } from './stop-cutter.js';

const cut = (stops: readonly string[], pieces: readonly string[]) => {
  const cutter = new StopCutter(stops);
  const text = pieces.map((piece) => cutter.push(piece)).join('') + cutter.flush();
  return { text, stopped: cutter.stopped };
};

describe('StopCutter', () => {
  it.each([
    ['within a piece', ['END'], ['one END two'], 'one ', true],
    ['across pieces', ['END'], ['one E', 'N', 'D two'], 'one ', true],
    ['at the start', ['END'], ['END'], '', true],
    ['nowhere', ['END'], ['one EN', 'E two EN'], 'one ENE two EN', false],
    ['the first of several', ['bb', 'a'], ['xxabb'], 'xx', true],
    ['the one that is complete first', ['acb', 'c'], ['acb'], 'a', true],
    ['the longer of two that end together', ['c', 'bc'], ['ab', 'c'], 'a', true],
    ['a sequence that overlaps itself', ['aab'], ['aa', 'ab'], 'a', true],
  ])('cuts %s', (_name, stops, pieces, text, stopped) => {
    expect(cut(stops, pieces)).toEqual({ text, stopped });
  });

  // Guarantee: what is shown does not depend on how the text arrives.
  it('cuts at the same place however the text is cut into pieces', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 30 });
    const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(stops, fc.array(letters), (sequences, pieces) => {
        const whole = pieces.join('');
        const found = sequences
          .map((stop) => ({ at: whole.indexOf(stop), end: whole.indexOf(stop) + stop.length }))
          .filter(({ at }) => at >= 0)
          .sort((one, other) => one.end - other.end || one.at - other.at);
        const text = whole.slice(0, found[0]?.at);
        expect(cut(sequences, pieces)).toEqual({ text, stopped: found.length > 0 });
      }),
    );
  });
});
