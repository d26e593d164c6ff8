import { Fault, isWellFormedApiKey } from '@tunan/kernel';

const BEARER = /^bearer +(\S+)$/i;

/** One body for every key that does not work, so that nothing tells an unknown key from a revoked one. */
export const invalidApiKey = (): Fault =>
  new Fault('invalid_api_key', 'Incorrect API key provided. You can find your API key in your dashboard.');

/**
 * The API key of an `Authorization` header, judged by form and checksum alone: a mistyped or invented key costs no
 * look-up.
 * @throws Fault `missing_api_key` without a header, `invalid_api_key` for anything that is not a key of ours
 */
export const readApiKey = (authorization: string | undefined): string => {
  if (authorization === undefined || authorization === '') {
    throw new Fault(
      'missing_api_key',
      "You didn't provide an API key. Send it in an Authorization header: Authorization: Bearer sk-YOUR_API_KEY",
    );
  }
  const key = BEARER.exec(authorization)?.[1];
  if (key === undefined || !isWellFormedApiKey(key)) throw invalidApiKey();
  return key;
};
