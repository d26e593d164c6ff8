import type { Pool, PoolClient, QueryResult, QueryResultRow } from 'pg';
import type { LedgerEntry } from '@tunan/contracts';
import type { Nano } from '@tunan/kernel';
import { inTransaction, sqlState } from '@tunan/postgres';
import type { AccountLedger } from '../domain/account-ledger.js';
import type { DayChange, LedgerChange } from '../domain/ledger-change.js';
import type { DeadLetter, UsageRecord } from '../domain/read-usage.js';
import { ENTRY_KIND, type Transfer, type TransferKind } from '../domain/transfer.js';
import {
  EventIdTaken,
  Ledger,
  LedgerTransaction,
  type EntriesPage,
  type SpentByKey,
  type UsageStanding,
} from '../ports/ledger.js';
import * as sql from './ledger-sql.js';

const UNIQUE_VIOLATION = '23505';

const FRESH: UsageStanding = { state: 'fresh', earlier: undefined };

/** The ledger in Postgres. */
export class PostgresLedger extends Ledger {
  constructor(private readonly pool: Pool) {
    super();
  }

  transaction<T>(work: (transaction: LedgerTransaction) => Promise<T>): Promise<T> {
    return inTransaction(this.pool, (client) => work(new PostgresLedgerTransaction(client)), {
      settings: sql.PLANNER_SETTINGS,
    });
  }

  async entries(accountId: string, afterSeq: bigint, limit: number): Promise<EntriesPage | null> {
    const { rows } = await this.pool.query<EntryRow>({
      name: 'billing-entries',
      text: sql.ENTRIES,
      values: [accountId, afterSeq.toString(), limit + 1],
    });
    const [first] = rows;
    if (first === undefined) return null;
    // An account without entries is one row without an entry.
    const found = rows.filter((row) => row.seq !== null);
    const page = found.slice(0, limit);
    const next = found.length > limit ? page.at(-1)!.seq!.toString() : null;
    return { balance: first.balance_nano, entries: page.map(toEntry), next };
  }
}

class PostgresLedgerTransaction extends LedgerTransaction {
  constructor(private readonly client: PoolClient) {
    super();
  }

  async lockAccounts(accountIds: readonly string[]): Promise<ReadonlyMap<string, AccountLedger>> {
    if (accountIds.length === 0) return new Map();
    const { rows } = await this.#run<AccountRow>('billing-lock-accounts', sql.LOCK_ACCOUNTS, [accountIds]);
    return new Map(rows.map((row) => [row.id, toAccount(row)]));
  }

  async recordUsage(records: readonly UsageRecord[]): Promise<readonly UsageStanding[]> {
    const json = `[${records.map((record) => record.json).join(',')}]`;
    const { rows } = await this.#run<StandingRow>('billing-record-usage', sql.RECORD_USAGE, [json]);
    const standings = Array.from<UsageStanding>({ length: records.length }).fill(FRESH);
    for (const row of rows) standings[row.index] = toStanding(row);
    return standings;
  }

  async recordDeadLetters(letters: readonly DeadLetter[]): Promise<void> {
    await this.client.query(sql.RECORD_DEAD_LETTERS, [
      letters.map((letter) => letter.eventId),
      letters.map((letter) => letter.accountId),
      letters.map((letter) => letter.reason),
      letters.map((letter) => letter.event),
    ]);
  }

  async findTransfers(eventId: string): Promise<readonly Transfer[]> {
    const { rows } = await this.#run<TransferRow>('billing-find-transfers', sql.FIND_TRANSFERS, [eventId]);
    return rows.map((row) => ({
      eventId: row.event_id,
      part: row.part,
      kind: row.kind,
      debit: row.debit,
      credit: row.credit,
      amount: row.amount_nano,
      promo: row.promo_nano,
    }));
  }

  async write(change: LedgerChange, publishedIds: readonly string[]): Promise<SpentByKey> {
    const values = [
      JSON.stringify(change.transfers.map(fromTransfer)),
      JSON.stringify(change.accounts.map(fromAccount)),
      JSON.stringify(
        change.keySpend.map(({ keyId, accountId, delta }) => ({
          id: keyId,
          account_id: accountId,
          delta: `${delta}`,
        })),
      ),
      publishedIds,
      JSON.stringify(change.days.map(fromDay)),
    ];
    try {
      const { rows } = await this.#run<KeySpentRow>('billing-write', sql.WRITE, values);
      return groupByAccount(rows);
    } catch (error) {
      if (sqlState(error) === UNIQUE_VIOLATION) throw new EventIdTaken('event id taken', { cause: error });
      throw error;
    }
  }

  /** Runs a statement under a name, so that a connection parses and plans it once. */
  #run<Row extends QueryResultRow>(name: string, text: string, values: unknown[]): Promise<QueryResult<Row>> {
    return this.client.query<Row>({ name, text, values });
  }
}

interface AccountRow {
  readonly id: string;
  readonly tier: 'free' | 'paid';
  readonly balance_nano: Nano;
  readonly promo_nano: Nano;
  readonly spent_nano: Nano;
  readonly request_count: bigint;
  readonly ledger_version: bigint;
}

interface StandingRow {
  readonly index: number;
  readonly fresh: boolean;
  readonly same: boolean;
  readonly other_cost_nano: Nano | null;
  readonly other_promo_nano: Nano;
  readonly other_writeoff_nano: Nano;
}

interface TransferRow {
  readonly event_id: string;
  readonly part: number;
  readonly kind: TransferKind;
  readonly debit: string;
  readonly credit: string;
  readonly amount_nano: Nano;
  readonly promo_nano: Nano;
}

interface KeySpentRow {
  readonly account_id: string;
  readonly id: string;
  readonly spent_nano: Nano;
}

interface EntryRow {
  readonly balance_nano: Nano;
  readonly seq: bigint | null;
  readonly event_id: string;
  readonly kind: TransferKind;
  readonly amount_nano: Nano;
  readonly at: string;
}

const toAccount = (row: AccountRow): AccountLedger => ({
  accountId: row.id,
  tier: row.tier,
  balance: row.balance_nano,
  promo: row.promo_nano,
  spent: row.spent_nano,
  requests: Number(row.request_count),
  version: Number(row.ledger_version),
});

const toStanding = (row: StandingRow): UsageStanding => {
  if (!row.fresh) return { state: row.same ? 'applied' : 'conflict' };
  if (row.other_cost_nano === null) return FRESH;
  return {
    state: 'fresh',
    earlier: { cost: row.other_cost_nano, promo: row.other_promo_nano, writtenOff: row.other_writeoff_nano },
  };
};

const fromTransfer = (transfer: Transfer): object => ({
  event_id: transfer.eventId,
  part: transfer.part,
  kind: transfer.kind,
  debit: transfer.debit,
  credit: transfer.credit,
  amount: transfer.amount.toString(),
  promo: transfer.promo.toString(),
});

const fromAccount = (account: AccountLedger): object => ({
  id: account.accountId,
  tier: account.tier,
  balance: account.balance.toString(),
  promo: account.promo.toString(),
  spent: account.spent.toString(),
  requests: account.requests,
  version: account.version,
});

const fromDay = (day: DayChange): object => ({
  account_id: day.accountId,
  day: day.day,
  key_id: day.keyId,
  model: day.model,
  cost: day.cost.toString(),
  requests: day.requests,
});

const groupByAccount = (rows: readonly KeySpentRow[]): SpentByKey => {
  const spentByKey = new Map<string, Record<string, Nano>>();
  for (const { account_id, id, spent_nano } of rows) {
    const keys = spentByKey.get(account_id);
    if (keys === undefined) spentByKey.set(account_id, { [id]: spent_nano });
    else keys[id] = spent_nano;
  }
  return spentByKey;
};

/** Only usage is charged by request; its event id is the request id with the kind of event behind it. */
const requestIdOf = (eventId: string): string | null => /^(.+):(?:final|lost)$/.exec(eventId)?.[1] ?? null;

const toEntry = (row: EntryRow): LedgerEntry => ({
  eventId: row.event_id,
  requestId: requestIdOf(row.event_id),
  kind: ENTRY_KIND[row.kind],
  amount: row.amount_nano,
  at: row.at,
});
