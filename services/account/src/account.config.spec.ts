import { existsSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { readConfig, type ConfigError } from '@tunan/config';
import { accountConfig } from './account.config.js';

const PEPPER = `1:${'ab'.repeat(32)}`;

describe('accountConfig', () => {
  it('finds the catalog of the repository by default', () => {
    const config = readConfig(accountConfig, { OPERATOR_TOKEN: 't', KEY_PEPPER: PEPPER });
    expect(existsSync(config.CATALOG_FILE)).toBe(true);
    expect(JSON.stringify(config)).not.toContain('abab');
  });

  it('takes several peppers', () => {
    expect(() =>
      readConfig(accountConfig, { OPERATOR_TOKEN: 't', KEY_PEPPER: `2:${'cd'.repeat(32)},${PEPPER}` }),
    ).not.toThrow();
  });

  it('names every missing or malformed secret, and shows none', () => {
    const problems = (variables: Record<string, string>): readonly string[] => {
      try {
        readConfig(accountConfig, variables);
        return [];
      } catch (error) {
        return (error as ConfigError).problems;
      }
    };
    expect(problems({}).map((problem) => problem.split(':')[0])).toEqual(['OPERATOR_TOKEN', 'KEY_PEPPER']);
    for (const pepper of ['abab', '1:zz', '0:' + 'ab'.repeat(32), `${PEPPER},${PEPPER}`]) {
      const found = problems({ OPERATOR_TOKEN: 't', KEY_PEPPER: pepper });
      expect(found).toEqual([expect.stringMatching(/^KEY_PEPPER: must be/)]);
      expect(found[0]).not.toContain(pepper);
    }
  });
});
