import { describe, expect, it } from '@jest/globals';
import { ConfigError } from '@tunan/config';
import { definitionsOf } from './services.js';
import { readSettings } from './settings.js';

const SECRETS = { KEY_PEPPER: `1:${'0'.repeat(64)}`, OPERATOR_TOKEN: 'an-operator-token' };
const ALL = definitionsOf(['auth', 'account', 'billing', 'connector', 'ingress', 'router']);

const problemsOf = (read: () => unknown): readonly string[] => {
  try {
    read();
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
};

describe('settings', () => {
  // Guarantee: what is wrong is told at once and all of it, before anything is touched.
  it('name every problem of every part', () => {
    const wrong = {
      TUNAN_PORT: 'x',
      INGRESS_BODY_BYTES_MAX: '-1',
      AUTH_LEASE_MS: 'soon',
      KEY_PEPPER: 'short',
    };
    const problems = problemsOf(() => readSettings(ALL, wrong, 'production', false)).join('\n');
    for (const name of Object.keys(wrong)) expect(problems).toContain(name);
  });

  it('of a target alone need nothing of the others', () => {
    expect(problemsOf(() => readSettings(definitionsOf(['router']), {}, 'production', false))).toEqual([]);
  });

  it('need a database in production, where a target has one', () => {
    expect(problemsOf(() => readSettings(ALL, SECRETS, 'production', false))).toEqual([
      'DATABASE_URL: required in mode production',
    ]);
    expect(problemsOf(() => readSettings(ALL, SECRETS, 'embedded', false))).toEqual([]);
  });

  // Guarantee: stand-ins are not reached from elsewhere and meet no real money, unless somebody insists.
  it.each([{ TUNAN_HOST: '0.0.0.0' }, { TUNAN_HOST: '10.0.0.1' }, { PAYPAL_CLIENT_ID: 'x' }])(
    'refuse %j in mode embedded',
    (variables) => {
      const read = (allow: boolean) => () => readSettings([], variables, 'embedded', allow);
      expect(problemsOf(read(false))).toHaveLength(1);
      expect(problemsOf(read(true))).toEqual([]);
    },
  );
});
