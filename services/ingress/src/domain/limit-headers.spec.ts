import { describe, expect, it } from '@jest/globals';
import { formatSpan, limitHeaders } from './limit-headers.js';

describe('limit headers', () => {
  it.each([
    [-5, '0s'],
    [0, '0s'],
    [12, '12ms'],
    [999.2, '1000ms'],
    [1_000, '1s'],
    [1_001, '2s'],
    [59_001, '1m0s'],
    [360_000, '6m0s'],
  ])('write %d ms as %s', (ms, text) => {
    expect(formatSpan(ms)).toBe(text);
  });

  it('are the three documented ones and the six of OpenAI', () => {
    const limits = {
      requests: { limit: 60, remaining: 59, resetMs: 1_500 },
      tokens: { limit: 500_000, remaining: 499_000, resetMs: 60_000 },
    };
    expect(limitHeaders(limits, 1_700_000_000_000)).toEqual({
      'x-ratelimit-limit': '60',
      'x-ratelimit-remaining': '59',
      'x-ratelimit-reset': '1700000002',
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': '2s',
      'x-ratelimit-limit-tokens': '500000',
      'x-ratelimit-remaining-tokens': '499000',
      'x-ratelimit-reset-tokens': '1m0s',
    });
  });
});
