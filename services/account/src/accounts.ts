import { Fault, type Clock, type Nano } from '@tunan/kernel';
import type { Account, Limits } from './domain/account.js';
import { newAccountId } from './domain/identifiers.js';
import type { AccountStore } from './edges/account-store.js';
import type { CatalogStore } from './edges/catalog-store.js';
import type { Keys } from './keys.js';
import type { OpeningCredits } from './opening-credits.js';
import type { ProfileRefresh } from './profile-refresh.js';

/** What an operator says about a new account. */
export interface AccountTerms {
  /** In its normal form. */
  readonly email: string;
  readonly displayName: string | undefined;
  /** Replaces the sign-up grant of the catalog. */
  readonly credit: Nano | undefined;
  readonly limits: Limits;
}

/** A new account with its first key. */
export interface CreatedAccount {
  readonly accountId: string;
  readonly keyId: string;
  readonly apiKey: string;
  /** False if the opening credit is not in the ledger yet; it will be as soon as billing answers. */
  readonly opened: boolean;
}

const NO_LIMITS: Limits = { rpm: null, tpm: null, concurrency: null };
const FIRST_KEY = {
  name: 'default',
  models: null,
  aliases: true,
  cap: null,
  limits: NO_LIMITS,
  expiresAt: null,
} as const;

/** Makes and shows accounts. */
export class Accounts {
  constructor(
    private readonly store: AccountStore,
    private readonly catalog: CatalogStore,
    private readonly keys: Keys,
    private readonly openings: OpeningCredits,
    private readonly refresh: ProfileRefresh,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes an account with one key. The account and its key are stored together, then the credit is posted. If billing
   * can't be reached that still is a success, with `opened: false`: the key can't be shown a second time, so an error
   * would throw away the one thing that the caller can't get again.
   * @throws Fault 409 `answer_not_stored` if the e-mail address has an account already, which it names
   */
  async create(terms: AccountTerms): Promise<CreatedAccount> {
    const openingCredit = terms.credit ?? (await this.catalog.terms()).signupGrant;
    const accountId = newAccountId(this.clock.nowMs());
    const { apiKey, record } = this.keys.issue(FIRST_KEY);
    const { email, limits } = terms;
    const displayName = terms.displayName ?? email.slice(0, email.indexOf('@'));
    const holder = await this.store.insert({ accountId, email, displayName, limits, openingCredit }, record);
    if (holder !== null) {
      throw new Fault(
        'answer_not_stored',
        `The e-mail address ${email} has an account already: ${holder}. Its first key was shown when it was made; make another key if that one is lost.`,
        { param: 'email' },
      );
    }
    const opened = openingCredit === 0n || (await this.openings.open({ accountId, amount: openingCredit }));
    await this.refresh.run(accountId);
    return { accountId, keyId: record.keyId, apiKey, opened };
  }

  /**
   * Lets all keys of an account use aliases, as far as each may, or none. Edges that know a key already follow within
   * two minutes.
   * @throws Fault `not_found`
   */
  async setAliases(accountId: string, aliases: boolean): Promise<Account> {
    const account = await this.store.setAliases(accountId, aliases);
    await this.refresh.run(accountId);
    return account;
  }

  /** @throws Fault `not_found` */
  get(accountId: string): Promise<Account> {
    return this.store.get(accountId);
  }

  /** @throws Fault `not_found` */
  getByEmail(email: string): Promise<Account> {
    return this.store.getByEmail(email);
  }
}
