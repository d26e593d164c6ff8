import { apiKeyDigest, keyHmac, parsePeppers } from '@tunan/kernel';
import { KeyLookup } from '../ports/key-lookup.js';
import { ACCOUNT, KEY } from '../store/testing/builders.js';

export const [PEPPER] = parsePeppers(`1:${'11'.repeat(32)}`);

/** Knows the key `sk-known`, of the account and key that builders make. */
export class OneKeyLookup extends KeyLookup {
  override find(keys: readonly (readonly Buffer[])[]) {
    const known = keyHmac(PEPPER, apiKeyDigest('sk-known'));
    const principal = {
      accountId: ACCOUNT,
      keyId: KEY,
      tier: 'paid' as const,
      models: null,
      aliases: true,
    };
    return Promise.resolve(
      keys.map((hmacs) => (hmacs.some((hmac) => hmac.equals(known)) ? principal : null)),
    );
  }
}
