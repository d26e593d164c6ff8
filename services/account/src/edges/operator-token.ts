import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Secret } from '@tunan/config';
import { Fault } from '@tunan/kernel';

const BEARER = /^bearer +(\S+)$/i;

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Admits requests that carry the operator token. What is compared, in constant time, are hashes: neither the token's
 * content nor its length shows in the time that a refusal takes.
 */
export const requireOperator = (token: Secret): ((request: IncomingMessage) => void) => {
  const expected = sha256(token.reveal());
  return ({ headers: { authorization } }) => {
    if (authorization === undefined || authorization === '')
      throw new Fault(
        'missing_api_key',
        'The operator API needs the operator token: Authorization: Bearer <token>.',
      );
    const given = BEARER.exec(authorization)?.[1];
    if (given === undefined || !timingSafeEqual(sha256(given), expected))
      throw new Fault('invalid_api_key', 'The operator token is wrong.');
  };
};
