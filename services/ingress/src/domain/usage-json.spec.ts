import { describe, expect, it } from '@jest/globals';
import { withCost } from './usage-json.js';

const usage = { prompt: 8, cachedPrompt: 2, completion: 9, reasoning: 1 };
const billed = { usage, cost: 0n, served: null, replace: false };
const answer = '{"id":"c","choices":[{"message":{"content":"\\"usage\\":{}}"}}],"usage":{"prompt_tokens":8}}';

describe('withCost', () => {
  it('adds the cost to the usage of an answer as a plain decimal, and changes nothing else', () => {
    const text = withCost(Buffer.from(answer), '', { ...billed, cost: 5_200n }).toString();
    expect(text).toBe(answer.replace('"prompt_tokens":8}', '"prompt_tokens":8,"cost":0.0000052}'));
    expect(JSON.parse(text)).toMatchObject({ usage: { cost: 0.0000052 } });
  });

  it('replaces the whole usage where another one is charged', () => {
    const parsed = JSON.parse(
      withCost(Buffer.from(answer), '', { ...billed, replace: true }).toString(),
    ) as Record<string, unknown>;
    expect(parsed['usage']).toEqual({
      prompt_tokens: 8,
      completion_tokens: 9,
      total_tokens: 17,
      prompt_tokens_details: { cached_tokens: 2 },
      completion_tokens_details: { reasoning_tokens: 1 },
      cost: 0,
    });
    expect(parsed['choices']).toEqual([{ message: { content: '"usage":{}}' } }]);
  });

  it.each([true, false])('keeps the end of a frame (replace: %s)', (replace) => {
    const frame = Buffer.from(`data: ${answer}\n\n`);
    const text = withCost(frame, '\n\n', { ...billed, cost: 1_000_000_000n, replace }).toString();
    expect(text.endsWith('"cost":1.0}}\n\n')).toBe(true);
  });

  it.each([true, false])('says what served where the headers could not (replace: %s)', (replace) => {
    const served = { provider: 'qwen', upstreamModel: 'm', channel: 'c', attempts: 2, fallback: true };
    const text = withCost(Buffer.from(answer), '', { ...billed, served, replace }).toString();
    expect((JSON.parse(text) as { usage: object }).usage).toMatchObject({
      cost: 0,
      tunan: { provider: 'qwen', upstream_model: 'm', attempts: 2, fallback: true },
    });
    expect(text).not.toContain('channel');
  });
});
