import { Fault, type Nano } from '@tunan/kernel';
import type { Account, NewAccount, NewApiKey } from '../domain/account.js';
import type { Database, Queries } from './database.js';
import { insertKey } from './key-store.js';

interface AccountRow {
  id: string;
  email: string;
  display_name: string;
  status: Account['status'];
  tier: Account['tier'];
  rpm: number | null;
  tpm: number | null;
  concurrency: number | null;
  aliases: boolean;
  opening_credit_nano: bigint;
  opened_at: Date | null;
  balance_nano: bigint;
  spent_nano: bigint;
  request_count: bigint;
  created_at: Date;
}

const COLUMNS = `id, email, display_name, status, tier, rpm, tpm, concurrency, aliases, opening_credit_nano, opened_at,
  balance_nano, spent_nano, request_count, created_at`;

const fromRow = (row: AccountRow): Account => ({
  accountId: row.id,
  email: row.email,
  displayName: row.display_name,
  status: row.status,
  tier: row.tier,
  limits: { rpm: row.rpm, tpm: row.tpm, concurrency: row.concurrency },
  aliases: row.aliases,
  openingCredit: row.opening_credit_nano,
  opened: row.opened_at !== null,
  balance: row.balance_nano,
  spent: row.spent_nano,
  requests: row.request_count,
  createdAt: row.created_at,
});

/** An account whose opening credit is not in the ledger yet, as far as this service knows. */
export interface UnopenedAccount {
  readonly accountId: string;
  readonly amount: Nano;
}

/** The fault for an account that does not exist. */
export const noSuchAccount = (accountId: string): Fault =>
  new Fault('not_found', `No such account: ${accountId}.`);

/**
 * Locks an account and marks its profile as changed: whoever reads it next, the repair loop at the latest, publishes
 * it. Keys change only under this lock.
 * @throws Fault `not_found`
 */
export const changeProfile = async (transaction: Queries, accountId: string): Promise<void> => {
  const changed = await transaction.query<{ id: string }>(
    'UPDATE account SET profile_version = profile_version + 1 WHERE id = $1 RETURNING id',
    [accountId],
  );
  if (changed.length === 0) throw noSuchAccount(accountId);
};

/** Accounts in Postgres. */
export class AccountStore {
  constructor(private readonly database: Database) {}

  /**
   * Stores an account and its first key together. Returns the id of the account that has the e-mail address already,
   * or null if the new one was stored.
   */
  insert(account: NewAccount, key: NewApiKey): Promise<string | null> {
    return this.database.transaction(async (transaction) => {
      const { accountId, email, displayName, limits, openingCredit } = account;
      const inserted = await transaction.query<{ id: string }>(
        `INSERT INTO account (id, email, display_name, status, rpm, tpm, concurrency, opening_credit_nano, opened_at)
         VALUES ($1, $2, $3, 'active', $4, $5, $6, $7::bigint, CASE WHEN $7::bigint = 0 THEN now() END)
         ON CONFLICT (email) DO NOTHING RETURNING id`,
        [accountId, email, displayName, limits.rpm, limits.tpm, limits.concurrency, openingCredit],
      );
      if (inserted.length === 0) {
        const holder = await this.#byEmail(transaction, email);
        if (holder === undefined) throw new Error(`e-mail address of ${accountId} is taken and not taken`);
        return holder.id;
      }
      await insertKey(transaction, accountId, key);
      return null;
    });
  }

  /** @throws Fault `not_found` */
  async get(accountId: string): Promise<Account> {
    const [row] = await this.database.query<AccountRow>(`SELECT ${COLUMNS} FROM account WHERE id = $1`, [
      accountId,
    ]);
    if (row === undefined) throw noSuchAccount(accountId);
    return fromRow(row);
  }

  /** @param email in its normal form */
  async getByEmail(email: string): Promise<Account> {
    const row = await this.#byEmail(this.database, email);
    if (row === undefined) throw new Fault('not_found', `No account has the e-mail address ${email}.`);
    return fromRow(row);
  }

  /**
   * Lets an account use aliases, or not, whatever its keys say.
   * @throws Fault `not_found`
   */
  setAliases(accountId: string, aliases: boolean): Promise<Account> {
    return this.database.transaction(async (transaction) => {
      await changeProfile(transaction, accountId);
      const [row] = await transaction.query<AccountRow>(
        `UPDATE account SET aliases = $2 WHERE id = $1 RETURNING ${COLUMNS}`,
        [accountId, aliases],
      );
      return fromRow(row!);
    });
  }

  /** Accounts whose opening credit waits, in order of their ids, after `after`. */
  async unopened(after: string, limit: number): Promise<readonly UnopenedAccount[]> {
    const rows = await this.database.query<{ id: string; opening_credit_nano: bigint }>(
      `SELECT id, opening_credit_nano FROM account WHERE opened_at IS NULL AND id > $1 ORDER BY id LIMIT $2`,
      [after, limit],
    );
    return rows.map((row) => ({ accountId: row.id, amount: row.opening_credit_nano }));
  }

  /** Notes that the opening credit is in the ledger. */
  async markOpened(accountId: string): Promise<void> {
    await this.database.query('UPDATE account SET opened_at = now() WHERE id = $1 AND opened_at IS NULL', [
      accountId,
    ]);
  }

  async #byEmail(queries: Queries, email: string): Promise<AccountRow | undefined> {
    return (await queries.query<AccountRow>(`SELECT ${COLUMNS} FROM account WHERE email = $1`, [email]))[0];
  }
}
