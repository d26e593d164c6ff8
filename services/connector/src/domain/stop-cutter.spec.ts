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
        const places = sequences.map((stop) => whole.indexOf(stop)).filter((at) => at >= 0);
        const ends = Math.min(whole.length, ...places);
        expect(cut(sequences, pieces)).toEqual({ text: whole.slice(0, ends), stopped: places.length > 0 });
      }),
    );
  });
});
