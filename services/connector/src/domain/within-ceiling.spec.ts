import { describe, expect, it } from '@jest/globals';
import { CHUNK_TOKENS_MAX } from '@tunan/contracts';
import { withinCeiling } from './within-ceiling.js';

const usage = (completion: number) => ({ prompt: 7, cachedPrompt: 0, completion, reasoning: completion });

describe('withinCeiling', () => {
  it.each([
    [0, 0],
    [100, 0],
    [101, 1],
    [112, 12],
    [100 + CHUNK_TOKENS_MAX, 1e9],
  ])('leaves %i tokens of output as they are where an event of %i crossed', (completion, crossing) => {
    const reported = usage(completion);
    expect(withinCeiling(reported, 100, crossing)).toBe(reported);
  });

  it.each([
    [101, 0],
    [102, 1],
    [113, 12],
    [101 + CHUNK_TOKENS_MAX, 1e9],
    [1e9, 12],
  ])(
    'cuts %i tokens of output to the ceiling and marks them where an event of %i crossed',
    (completion, crossing) => {
      expect(withinCeiling(usage(completion), 100, crossing)).toEqual({ ...usage(100), impossible: true });
    },
  );
});
