import { describe, expect, it } from '@jest/globals';
import { FakePlatform, type Flaws } from './fake-platform.js';
import { checkPlatformFacts } from './platform-facts.js';

const differencesOf = async (flaws: Flaws): Promise<string[]> => {
  const platform = new FakePlatform(flaws);
  try {
    return await checkPlatformFacts(await platform.listen(), platform.key);
  } finally {
    await platform.close();
  }
};

describe('checkPlatformFacts', () => {
  it('finds nothing on a platform that does what the documentation says', async () => {
    expect(await differencesOf({})).toEqual([]);
  });

  // Guarantee: each kind of departure is found, and named by the heading that is broken and nothing else.
  it.each<[string, Flaws, RegExp]>([
    ['charges another price', { chargedOutput: '5.41' }, /cost of a chat with (qwen3\.7-max|gpt-4-turbo)/],
    [
      'lists another price',
      { listedInput: '1.8001' },
      /^Models & Pricing: input price of glm-4-plus is "1.8001", documented "1.80"$/,
    ],
    ['lists an extra model', { extraModel: 'glm-5' }, /^List Models > Response: ids/],
    [
      'does not check temperature',
      { unchecked: 'temperature' },
      /with temperature (below 0|above 2|of another type)|quota after refused requests/,
    ],
    [
      'does not check the number of stops',
      { unchecked: 'stop' },
      /with stop of (5 items|another type)|quota after refused requests/,
    ],
    [
      'does not check max_tokens',
      { unchecked: 'max_tokens' },
      /with max_tokens (below 1|above 128000|with a fraction|of another type)|quota after refused requests/,
    ],
    [
      'sends no rate limit headers',
      { rateLimitHeaders: false },
      /^Rate limit headers: X-RateLimit-(Limit|Remaining|Reset) of/,
    ],
    ['leaves a member out of errors', { errorParam: false }, /members of the error|Error Codes|Request Body/],
    [
      'does not end a stream with [DONE]',
      { done: false },
      /^Raw SSE format \(cURL\): last frame of a stream/,
    ],
    [
      'returns vectors of another length',
      { dimensions: 512 },
      /^Embeddings: dimensions of (text-embedding-v3|embedding-3) is 512/,
    ],
    [
      'counts quota in another unit',
      { quotaPerUsd: 1_000_000 },
      /^Check your balance: (decrease of quota|increase of used_quota)/,
    ],
    [
      'knows no aliases',
      { aliases: false },
      /^Model mapping: (status of a chat with|x-tunan-alias of) (gpt|o1)/,
    ],
  ])('reports a platform that %s', async (_name, flaws, difference) => {
    const found = await differencesOf(flaws);
    expect(found.length).toBeGreaterThan(0);
    expect(found.filter((line) => !difference.test(line))).toEqual([]);
  });
});
