import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { Secret } from '@tunan/config';
import type { Fault } from '@tunan/kernel';
import { requireOperator } from './operator-token.js';

const refusal = (authorization: string | undefined): string | undefined => {
  try {
    requireOperator(new Secret('right-token'))({ headers: { authorization } } as IncomingMessage);
    return undefined;
  } catch (error) {
    return (error as Fault).code;
  }
};

describe('requireOperator', () => {
  it.each(['Bearer right-token', 'bearer right-token', 'BEARER  right-token'])(
    'admits %j',
    (authorization) => {
      expect(refusal(authorization)).toBeUndefined();
    },
  );

  it.each([
    [undefined, 'missing_api_key'],
    ['', 'missing_api_key'],
    ['Bearer', 'invalid_api_key'],
    ['Bearer right-toke', 'invalid_api_key'],
    ['Bearer right-token2', 'invalid_api_key'],
    ['Bearer right-token x', 'invalid_api_key'],
    ['Basic right-token', 'invalid_api_key'],
    ['right-token', 'invalid_api_key'],
  ])('refuses %j', (authorization, code) => {
    expect(refusal(authorization)).toBe(code);
  });
});
