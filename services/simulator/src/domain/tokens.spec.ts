import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RandomSequence } from './random.js';
import { countTokens, hasIdeographs, splitTokens } from './tokens.js';
import { writeWords } from './words.js';

const PROSE =
  'The quick brown fox jumps over the lazy dog while several experienced engineers discuss, at some length, ' +
  'whether the estimate of a prompt should ever be allowed to fall below what a provider finally charges for it.';

describe('tokenizer', () => {
  it('splits a text into pieces that join to the text again and are as many as it counts', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const tokens = splitTokens(text);
        expect(tokens.join('')).toBe(text);
        expect(tokens).toHaveLength(countTokens(text));
        expect(tokens.every((token) => token.length > 0)).toBe(true);
      }),
    );
  });

  // A gateway may rely on this bound when it reserves credit.
  it('never counts more tokens than UTF-8 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
        expect(countTokens(text)).toBeLessThanOrEqual(Buffer.byteLength(text));
      }),
    );
  });

  it('comes close to the documented 0.3 tokens per English and 0.6 per Chinese character', () => {
    const chinese = '今天天气很好，我们去公园。因为明天要下雨，所以他们决定提前出发，希望能够看到大海。';
    expect(countTokens(PROSE) / PROSE.length).toBeGreaterThan(0.22);
    expect(countTokens(PROSE) / PROSE.length).toBeLessThan(0.36);
    expect(countTokens(chinese) / chinese.length).toBeGreaterThan(0.5);
    expect(countTokens(chinese) / chinese.length).toBeLessThan(0.7);
  });

  it.each([
    ['', 0],
    [' a', 1],
    ['hello', 2],
    ['你好', 1],
    ['你好，世界', 3],
    ['12345', 2],
    ['{"a":"b"}', 5],
    ['\n\n\n', 1],
    ['🙂🙂', 2],
  ])('counts %j as %i', (text, count) => {
    expect(countTokens(text)).toBe(count);
  });

  it('knows Chinese text from other text', () => {
    expect([hasIdeographs('abc é'), hasIdeographs('abc 天')]).toEqual([false, true]);
  });
});

describe('writeWords', () => {
  it('writes exactly as many tokens as asked, which the tokenizer finds again', () => {
    fc.assert(
      fc.property(
        fc.nat(0xffff_ffff),
        fc.nat(200),
        fc.constantFrom('english', 'chinese'),
        (seed, count, language) => {
          const tokens = writeWords(new RandomSequence(seed), count, language);
          expect(tokens).toHaveLength(count);
          expect(splitTokens(tokens.join(''))).toEqual(tokens);
        },
      ),
    );
  });
});
