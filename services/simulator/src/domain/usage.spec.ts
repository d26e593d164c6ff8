import { describe, expect, it } from '@jest/globals';
import { cachedTokens, countPrompt, IMAGE_TOKENS, usageJson } from './usage.js';

describe('countPrompt', () => {
  it('adds the request, each message, its text, images, calls and schemas', () => {
    expect(countPrompt([{ role: 'user', content: '' }])).toBe(7);
    expect(
      countPrompt([
        { role: 'user', content: 'hi you' },
        { role: 'user', content: null },
      ]),
    ).toBe(3 + 4 + 2 + 4);
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(10_000)}` } };
    expect(countPrompt([{ role: 'user', content: [image, { type: 'text', text: 'hi' }] }])).toBe(
      3 + 4 + IMAGE_TOKENS + 1,
    );
    const call = { id: 'x', function: { name: 'f', arguments: '{}' } };
    expect(
      countPrompt([{ role: 'assistant', content: null, tool_calls: [call] }], [{ a: 1 }], null),
    ).toBeGreaterThan(10);
  });

  // The gateway reserves 8 tokens per message: its bound must hold for the simulator's count.
  it('costs at most eight tokens per message beyond its text', () => {
    for (const count of [1, 2, 50])
      expect(countPrompt(Array(count).fill({ role: 'user', content: '' }))).toBeLessThanOrEqual(8 * count);
  });
});

describe('usageJson', () => {
  const truth = { prompt_tokens: 5, completion_tokens: 0, details: { cached_tokens: 2 } };

  it.each([
    [undefined, '{"prompt_tokens":5,"completion_tokens":0,"details":{"cached_tokens":2}}'],
    ['negative', '{"prompt_tokens":-5,"completion_tokens":-1,"details":{"cached_tokens":-2}}'],
    ['zero', '{"prompt_tokens":0,"completion_tokens":0,"details":{"cached_tokens":0}}'],
    ['string', '{"prompt_tokens":"5","completion_tokens":"0","details":{"cached_tokens":"2"}}'],
    ['nan', '{"prompt_tokens":NaN,"completion_tokens":NaN,"details":{"cached_tokens":NaN}}'],
    ['null', 'null'],
    ['missing', undefined],
  ] as const)('lies %s', (lie, json) => {
    expect(usageJson(truth, lie)).toBe(json);
  });

  it('replaces members by an object', () => {
    expect(usageJson(truth, { prompt_tokens: 1e12 })).toContain('"prompt_tokens":1000000000000');
  });
});

describe('cachedTokens', () => {
  it('is nothing for short prompts and whole blocks for long ones', () => {
    expect([cachedTokens(1_023), cachedTokens(1_024), cachedTokens(1_200)]).toEqual([0, 512, 576]);
  });
});
