import {
  apiKeyDigest,
  apiKeyHint,
  Fault,
  generateApiKey,
  keyHmac,
  type Clock,
  type KeyPepper,
  type Nano,
} from '@tunan/kernel';
import type { ApiKey, Limits, NewApiKey } from './domain/account.js';
import { newKeyId } from './domain/identifiers.js';
import type { CatalogStore } from './edges/catalog-store.js';
import type { KeyStore, RevokedKey } from './edges/key-store.js';
import type { ProfileRefresh } from './profile-refresh.js';

/** What a new key may do. */
export interface KeyTerms {
  readonly name: string;
  readonly models: readonly string[] | null;
  readonly aliases: boolean;
  readonly cap: Nano | null;
  readonly limits: Limits;
  readonly expiresAt: Date | null;
}

/** A key that was made, and the only copy of it. */
export interface IssuedKey {
  readonly apiKey: string;
  readonly record: NewApiKey;
}

/** A key that was revoked; `effective` is false if edges may take it for a few seconds more. */
export interface Revocation extends RevokedKey {
  readonly effective: boolean;
}

/** Makes, lists and revokes customer keys. */
export class Keys {
  constructor(
    private readonly store: KeyStore,
    private readonly catalog: CatalogStore,
    private readonly refresh: ProfileRefresh,
    private readonly clock: Clock,
    /** The current pepper. */
    private readonly pepper: KeyPepper,
  ) {}

  /** A new key, not stored yet. Only its HMAC will be: the key itself can't be shown again. */
  issue(terms: KeyTerms): IssuedKey {
    const apiKey = generateApiKey();
    const record = {
      ...terms,
      keyId: newKeyId(this.clock.nowMs()),
      hint: apiKeyHint(apiKey),
      hmac: keyHmac(this.pepper, apiKeyDigest(apiKey)),
      pepperVersion: this.pepper.version,
    };
    return { apiKey, record };
  }

  /**
   * Makes a key of an account.
   * @throws Fault `not_found`, or `invalid_value` for terms that make no sense
   */
  async create(accountId: string, terms: KeyTerms): Promise<IssuedKey> {
    if (terms.expiresAt !== null && terms.expiresAt.getTime() <= this.clock.nowMs())
      throw new Fault('invalid_value', 'expiresAt must be in the future.', { param: 'expiresAt' });
    if (terms.models !== null) await this.#checkModels(terms.models);
    const issued = this.issue(terms);
    await this.store.insert(accountId, issued.record);
    await this.refresh.run(accountId);
    return issued;
  }

  /** @throws Fault `not_found` */
  list(accountId: string): Promise<readonly ApiKey[]> {
    return this.store.list(accountId);
  }

  /**
   * Lets a key use aliases, or not. Edges that know the key already follow within two minutes.
   * @throws Fault `not_found`
   */
  setAliases(keyId: string, aliases: boolean): Promise<ApiKey> {
    return this.store.setAliases(keyId, aliases);
  }

  /**
   * Revokes a key for good; again does no harm and tries once more to make it effective.
   * @throws Fault `not_found`
   */
  async revoke(keyId: string): Promise<Revocation> {
    const revoked = await this.store.revoke(keyId);
    return { ...revoked, effective: await this.refresh.run(revoked.accountId) };
  }

  async #checkModels(models: readonly string[]): Promise<void> {
    const { models: known } = await this.catalog.terms();
    const unknown = models.findIndex((model) => !known.has(model));
    if (unknown >= 0)
      throw new Fault('invalid_value', `No such model: ${models[unknown]}.`, { param: `models[${unknown}]` });
  }
}
