import type { BillingPort, EntryKind, LedgerEntry } from '@tunan/contracts';
import type { Nano } from '@tunan/kernel';
import { creditEventId } from './domain/identifiers.js';
import type { AccountStore } from './edges/account-store.js';
import type { ProfileRefresh } from './profile-refresh.js';

/** Money for an account from outside the request path. */
export interface Credit {
  readonly amount: Nano;
  readonly kind: Exclude<EntryKind, 'charge'>;
  /** Says which payment, ticket or campaign this is: the same reference is credited once. */
  readonly reference: string;
}

/** A page of an account's ledger. */
export interface LedgerPage {
  readonly balance: Nano;
  readonly entries: readonly LedgerEntry[];
  /** Cursor of the next page; null at the end. */
  readonly next: string | null;
}

/** Credits accounts and reads their ledgers. The ledger itself is billing's. */
export class Credits {
  constructor(
    private readonly store: AccountStore,
    private readonly billing: BillingPort,
    private readonly refresh: ProfileRefresh,
  ) {}

  /**
   * Credits an account, once per reference: a call that fails half-way is repeated with the same one. That a top-up
   * makes the account a paid one is the ledger's rule, in the ledger's transaction.
   * @returns the balance, and false if this reference had been credited before
   * @throws Fault `not_found`; `invalid_value` if the reference was used for something else
   */
  async add(
    accountId: string,
    { amount, kind, reference }: Credit,
  ): Promise<{ balance: Nano; posted: boolean }> {
    await this.store.get(accountId);
    const posted = await this.billing.post({ eventId: creditEventId(reference), accountId, kind, amount });
    await this.refresh.run(accountId);
    return posted;
  }

  /**
   * A page of the ledger, rated again from the catalog snapshots.
   * @throws Fault `not_found`
   */
  async rerate(
    accountId: string | null,
    after: string | null,
    limit: number,
  ): ReturnType<BillingPort['rerate']> {
    if (accountId !== null) await this.store.get(accountId);
    return this.billing.rerate({ accountId, after, limit });
  }

  /** @throws Fault `not_found` */
  async ledger(accountId: string, after: string | null, limit: number): Promise<LedgerPage> {
    await this.store.get(accountId);
    return this.billing.entries({ accountId, after, limit });
  }
}
