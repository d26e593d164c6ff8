import { describe, expect, it } from '@jest/globals';
import { apiKeyDigest, apiKeyHint, generateApiKey, isWellFormedApiKey } from './api-key.js';

describe('API keys', () => {
  it('are well formed and different', () => {
    const keys = new Set(Array.from({ length: 500 }, generateApiKey));
    expect(keys.size).toBe(500);
    for (const key of keys) expect(isWellFormedApiKey(key)).toBe(true);
  });

  it('with any one character changed are refused without a look-up', () => {
    const key = generateApiKey();
    for (let index = 3; index < key.length; index += 1) {
      const other = key[index] === 'A' ? 'B' : 'A';
      expect(isWellFormedApiKey(key.slice(0, index) + other + key.slice(index + 1))).toBe(false);
    }
  });

  it.each([
    '',
    'sk-',
    'sk-YOUR_API_KEY',
    'pk-0000',
    `sk-${'é'.repeat(38)}`,
    `${generateApiKey()}x`,
    ` ${generateApiKey()}`,
  ])('%j is not one', (text) => {
    expect(isWellFormedApiKey(text)).toBe(false);
  });

  it('show no secret in their digest and hint', () => {
    const key = generateApiKey();
    expect(apiKeyDigest(key)).toMatch(/^[0-9a-f]{64}$/);
    expect(apiKeyHint(key)).toBe(`${key.slice(0, 7)}…${key.slice(-4)}`);
  });
});
