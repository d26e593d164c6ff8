import { Fault } from '@tunan/kernel';
import type { PendingEvent } from '../domain/operations.js';
import { AccountSource, type AccountRecord, type ConfirmedVersions } from '../ports/account-source.js';
import { ACCOUNT, aLedger, aProfile } from '../store/testing/builders.js';

/** An account as Postgres would have it, with its tier's limits. */
export const anAccountRecord = (changes: Partial<AccountRecord> = {}): AccountRecord => ({
  accountId: ACCOUNT,
  ledger: aLedger(),
  profile: { ...aProfile(), limits: { rpm: null, tpm: null, concurrency: null } },
  appliedEventIds: [],
  ...changes,
});

/** Accounts in memory. */
export class MemoryAccountSource extends AccountSource {
  readonly accounts = new Map<string, AccountRecord>();
  /** Events that the balances contain. */
  readonly applied = new Set<string>();
  readonly reads: { accountIds: readonly string[]; events: readonly PendingEvent[] }[] = [];
  readonly confirmed: ConfirmedVersions[] = [];
  /** What every read does first: throw to be away, wait to be slow. */
  before: () => Promise<void> = () => Promise.resolve();

  put(record: AccountRecord = anAccountRecord()): void {
    this.accounts.set(record.accountId, record);
  }

  override async read(
    accountIds: readonly string[],
    events: readonly PendingEvent[],
  ): Promise<readonly AccountRecord[]> {
    this.reads.push({ accountIds, events });
    await this.before();
    return accountIds.flatMap((accountId) => {
      const record = this.accounts.get(accountId);
      if (record === undefined) return [];
      const own = events.filter((event) => event.accountId === accountId).map(({ eventId }) => eventId);
      return [{ ...record, appliedEventIds: own.filter((eventId) => this.applied.has(eventId)) }];
    });
  }

  override confirm(versions: readonly ConfirmedVersions[]): Promise<void> {
    this.confirmed.push(...versions);
    return Promise.resolve();
  }
}

/** Postgres is away. */
export const away = (): Promise<never> =>
  Promise.reject(
    new Fault('service_unavailable', 'The service is temporarily unavailable.', { internal: 'away' }),
  );
