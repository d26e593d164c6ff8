import { describe, expect, it } from '@jest/globals';
import { readBehaviour } from './behaviour.js';
import { tokensBeforeCut } from './unary-cut.js';

describe('tokensBeforeCut', () => {
  it.each([
    [{}, undefined],
    [{ chunk_delay_ms: 10_000, tokens: 31 }, undefined],
    [{ chunk_delay_ms: 10_000, tokens: 32 }, 31],
    [{ chunk_delay_ms: 10_000, first_delay_ms: 100_000, tokens: 32 }, 21],
    [{ chunk_delay_ms: 10_000, first_delay_ms: 100_000, chunk_tokens: 2, tokens: 44 }, 42],
    [{ chunk_delay_ms: 10_000, chunk_tokens: 2, tokens: 32 }, undefined],
    [{ first_delay_ms: 300_000 }, undefined],
    [{ first_delay_ms: 200_000, header_delay_ms: 100_001 }, 0],
  ])('of %j, after 300 s: %s', (asked, written) => {
    const behaviour = readBehaviour(asked);
    expect(tokensBeforeCut(behaviour, 300_000, behaviour.tokens ?? 32)).toBe(written);
  });
});
