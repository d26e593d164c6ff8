import { describe, expect, it } from '@jest/globals';
import { CHUNK_TOKENS_MAX } from '@tunan/contracts';
import { withinCeiling } from './within-ceiling.js';

const usage = (completion: number) => ({ prompt: 7, cachedPrompt: 0, completion, reasoning: completion });

describe('withinCeiling', () => {
  it.each([0, 100, 101, 100 + CHUNK_TOKENS_MAX])('leaves %i tokens of output as they are', (completion) => {
    const reported = usage(completion);
    expect(withinCeiling(reported, 100)).toBe(reported);
  });

  it.each([101 + CHUNK_TOKENS_MAX, 1e9])(
    'cuts %i tokens of output to the ceiling and marks them',
    (completion) => {
      expect(withinCeiling(usage(completion), 100)).toEqual({
        ...usage(100),
        impossible: true,
      });
    },
  );
});
