import type { LedgerEntry } from '@tunan/contracts';
import type { Nano } from '@tunan/kernel';
import type { AccountLedger } from '../domain/account-ledger.js';
import type { EarlierUsage } from '../domain/apply-usage.js';
import type { LedgerChange } from '../domain/ledger-change.js';
import type { DeadLetter, UsageRecord } from '../domain/read-usage.js';
import type { Transfer } from '../domain/transfer.js';

/** How an event stands to what the ledger has recorded. */
export type UsageStanding =
  /** New, and recorded now. */
  | { readonly state: 'fresh'; readonly earlier: EarlierUsage | undefined }
  /** Recorded by an earlier transaction: the balance contains it. */
  | { readonly state: 'applied' }
  /** The same id is recorded with another account or cost. */
  | { readonly state: 'conflict' };

/** Lifetime charges of keys, by account and key; complete for every key that has a cap. */
export type SpentByKey = ReadonlyMap<string, Readonly<Record<string, Nano>>>;

/** The same event id was posted to another account at the same time. Run again, and the ledger knows. */
export class EventIdTaken extends Error {
  override readonly name = 'EventIdTaken';
}

/** The ledger inside one transaction. Everything is written or nothing. */
export abstract class LedgerTransaction {
  /**
   * Reads accounts and keeps every other writer away from them until the end. Accounts that do not exist are left
   * out. Called once per transaction, so that no two transactions can wait for each other.
   */
  abstract lockAccounts(accountIds: readonly string[]): Promise<ReadonlyMap<string, AccountLedger>>;
  /** Records events of locked accounts, with distinct ids, and says for each, in order, how it stands. */
  abstract recordUsage(records: readonly UsageRecord[]): Promise<readonly UsageStanding[]>;
  /** Keeps events aside, the same one once however often it is delivered. */
  abstract recordDeadLetters(letters: readonly DeadLetter[]): Promise<void>;
  /** The transfers that an event has made, in order of their parts. */
  abstract findTransfers(eventId: string): Promise<readonly Transfer[]>;
  /**
   * Writes a change of locked accounts and reads the charges per key of `publishedIds` as they are after it.
   * @throws EventIdTaken
   */
  abstract write(change: LedgerChange, publishedIds: readonly string[]): Promise<SpentByKey>;
}

export interface EntriesPage {
  readonly balance: Nano;
  readonly entries: readonly LedgerEntry[];
  /** Cursor of the next page, or null at the end. */
  readonly next: string | null;
}

/** Accounts, transfers and usage events: the truth about money. */
export abstract class Ledger {
  /** Runs `work` in one transaction; again if the ledger had to refuse it for reasons of concurrency. */
  abstract transaction<T>(work: (transaction: LedgerTransaction) => Promise<T>): Promise<T>;
  /** Entries of an account after a position (0: from the start) and its balance, of one moment. Null: no such account. */
  abstract entries(accountId: string, afterSeq: bigint, limit: number): Promise<EntriesPage | null>;
}

/** Which news of accounts the admission store has confirmed. */
export abstract class PublicationLog {
  /** Records versions of ledgers that were published. A hint: what is lost here is published once more. */
  abstract markPublished(versions: ReadonlyMap<string, number>): Promise<void>;
  /** Accounts with unpublished news, in id order, after `afterId`. */
  abstract unpublished(afterId: string, limit: number): Promise<readonly string[]>;
  /** How many accounts have unpublished news, counted up to a bound. */
  abstract countUnpublished(): Promise<number>;
}
