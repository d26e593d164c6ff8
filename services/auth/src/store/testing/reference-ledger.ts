import type { AccountProfile, Publication, UsageEvent } from '@tunan/contracts';
import { aKey, aProfile } from './builders.js';

interface Books {
  balance: bigint;
  spent: bigint;
  requests: number;
  version: number;
  profile: AccountProfile;
  readonly spentByKey: Map<string, bigint>;
}

/**
 * Postgres as far as a store can see it: each event is applied once, each request converges to `final` if it exists,
 * else `lost`, and every change makes a version.
 */
export class ReferenceLedger {
  readonly applied = new Map<string, UsageEvent>();
  readonly #books = new Map<string, Books>();

  constructor(accountIds: readonly string[]) {
    for (const accountId of accountIds)
      this.#books.set(accountId, {
        balance: 0n,
        spent: 0n,
        requests: 0,
        version: 1,
        profile: aProfile({
          limits: { rpm: 6, tpm: 3_000, concurrency: 3 },
          keys: [
            aKey(),
            aKey({ keyId: 'key_2', cap: 600_000n, limits: { rpm: 3, tpm: 1_500, concurrency: 2 } }),
          ],
        }),
        spentByKey: new Map([
          ['key_1', 0n],
          ['key_2', 0n],
        ]),
      });
  }

  books(accountId: string): Books {
    return this.#books.get(accountId)!;
  }

  topUp(accountId: string, amount: bigint): void {
    const books = this.books(accountId);
    books.balance += amount;
    books.version += 1;
  }

  changeProfile(accountId: string, change: Partial<AccountProfile>): void {
    const books = this.books(accountId);
    books.profile = { ...books.profile, ...change, version: books.profile.version + 1 };
  }

  apply(event: UsageEvent): void {
    if (this.applied.has(event.id)) return;
    this.applied.set(event.id, event);
    const { requestId, accountId, keyId, kind, cost } = event.data;
    const other = this.applied.get(`${requestId}:${kind === 'final' ? 'lost' : 'final'}`);
    if (kind === 'lost' && other !== undefined) return;
    const difference = cost - (other?.data.cost ?? 0n);
    const books = this.books(accountId);
    if (other === undefined && cost > 0n) books.requests += 1;
    if (difference === 0n) return;
    books.balance -= difference;
    books.spent += difference;
    books.version += 1;
    books.spentByKey.set(keyId, (books.spentByKey.get(keyId) ?? 0n) + difference);
  }

  /** The state of an account, and which of these events it contains. */
  record(accountId: string, eventIds: readonly string[]) {
    const { balance, spent, requests, version, profile, spentByKey } = this.books(accountId);
    return {
      accountId,
      ledger: { version, balance, spent, requests, spentByKey: Object.fromEntries(spentByKey) },
      profile,
      appliedEventIds: eventIds.filter((eventId) => this.applied.get(eventId)?.data.accountId === accountId),
    };
  }

  /** The same as news of it. */
  publication(accountId: string, eventIds: readonly string[]): Publication {
    return this.record(accountId, eventIds);
  }
}
