import { describe, expect, it } from '@jest/globals';
import { readSettings } from './settings.js';
import { internalTokens } from './tokens.js';

const hostSettings = (variables: Record<string, string>) =>
  readSettings([], variables, 'embedded', false).host;

describe('tokens between services', () => {
  it('send the first and accept all, so that one can be rotated', () => {
    const tokens = internalTokens(hostSettings({ INTERNAL_TOKEN_INGRESS: 'new, old' }), undefined);
    expect(tokens.ingress).toEqual(['new', 'old']);
  });

  // Guarantee: without a token nothing is accepted, so a forgotten setting opens no door.
  it('are none where none is set', () => {
    const tokens = internalTokens(hostSettings({}), undefined);
    expect(Object.values(tokens).every((list) => list.length === 0)).toBe(true);
  });

  it('differ by service where they come from one base', () => {
    const tokens = internalTokens(hostSettings({}), 'base');
    expect(new Set(Object.values(tokens).flat()).size).toBe(Object.keys(tokens).length);
  });
});
