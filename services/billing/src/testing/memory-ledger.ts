import { usageEvent, type UsageEvent } from '@tunan/contracts';
import { finalEventId, lostEventId, type Nano } from '@tunan/kernel';
import { z } from 'zod';
import type { AccountLedger } from '../domain/account-ledger.js';
import type { EarlierUsage } from '../domain/apply-usage.js';
import type { LedgerChange } from '../domain/ledger-change.js';
import type { DeadLetter, UsageRecord } from '../domain/read-usage.js';
import { customerOf, ENTRY_KIND, signedAmount, type Transfer } from '../domain/transfer.js';
import {
  EventIdTaken,
  Ledger,
  LedgerTransaction,
  PublicationLog,
  type EntriesPage,
  type SpentByKey,
  type UsageStanding,
} from '../ports/ledger.js';

/** A key of an account in a `MemoryLedger`. */
export interface MemoryKey {
  readonly accountId: string;
  readonly capped: boolean;
  readonly spent: Nano;
}

interface Tables {
  accounts: Map<string, AccountLedger>;
  keys: Map<string, MemoryKey>;
  transfers: Transfer[];
  usage: Map<string, UsageRecord['usage']>;
  /** JSON of usage events by id. */
  events: Map<string, string>;
  deadLetters: Map<string, DeadLetter>;
}

/**
 * A whole ledger in memory, for simulations and unit tests: the same contract as the one in Postgres, held to it by the
 * same spec. Transactions run one at a time and leave nothing behind if they fail.
 */
export class MemoryLedger extends Ledger {
  #tables: Tables = {
    accounts: new Map(),
    keys: new Map(),
    transfers: [],
    usage: new Map(),
    events: new Map(),
    deadLetters: new Map(),
  };
  #turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly timestamp: () => string = () => '2026-01-01T00:00:00.000000Z') {
    super();
  }

  /** Adds an account without money, and its keys. */
  addAccount(accountId: string, keys: readonly { keyId: string; capped: boolean }[] = []): void {
    this.#tables.accounts.set(accountId, {
      accountId,
      tier: 'free',
      balance: 0n,
      promo: 0n,
      spent: 0n,
      requests: 0,
      version: 1,
    });
    for (const { keyId, capped } of keys) this.#tables.keys.set(keyId, { accountId, capped, spent: 0n });
  }

  get accounts(): ReadonlyMap<string, AccountLedger> {
    return this.#tables.accounts;
  }

  get keys(): ReadonlyMap<string, MemoryKey> {
    return this.#tables.keys;
  }

  get transfers(): readonly Transfer[] {
    return this.#tables.transfers;
  }

  /** Recorded usage events by id. */
  get usage(): ReadonlyMap<string, UsageRecord['usage']> {
    return this.#tables.usage;
  }

  get deadLetters(): readonly DeadLetter[] {
    return [...this.#tables.deadLetters.values()];
  }

  /** The event that is charged for a request of an account, as `UsageReader` finds it. */
  async find(accountId: string, requestId: string): Promise<UsageEvent | null> {
    const { events } = this.#tables;
    const json = events.get(finalEventId(requestId)) ?? events.get(lostEventId(requestId));
    if (json === undefined) return null;
    const event = z.decode(usageEvent, JSON.parse(json) as z.input<typeof usageEvent>);
    return event.subject === accountId ? event : null;
  }

  transaction<T>(work: (transaction: LedgerTransaction) => Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => {
      const { accounts, keys, transfers, usage, events, deadLetters } = this.#tables;
      const copy = {
        accounts: new Map(accounts),
        keys: new Map(keys),
        transfers: [...transfers],
        usage: new Map(usage),
        events: new Map(events),
        deadLetters: new Map(deadLetters),
      };
      const value = await work(new MemoryTransaction(copy));
      this.#tables = copy;
      return value;
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async entries(accountId: string, afterSeq: bigint, limit: number): Promise<EntriesPage | null> {
    const account = this.#tables.accounts.get(accountId);
    if (account === undefined) return null;
    const found = this.#tables.transfers
      .map((transfer, index) => ({ transfer, seq: BigInt(index + 1) }))
      .filter(({ transfer, seq }) => seq > afterSeq && customerOf(transfer) === accountId);
    const page = found.slice(0, limit);
    return {
      balance: account.balance,
      entries: page.map(({ transfer }) => ({
        eventId: transfer.eventId,
        requestId: /^(.+):(?:final|lost)$/.exec(transfer.eventId)?.[1] ?? null,
        kind: ENTRY_KIND[transfer.kind],
        amount: signedAmount(transfer),
        at: this.timestamp(),
      })),
      next: found.length > limit ? page.at(-1)!.seq.toString() : null,
    };
  }
}

class MemoryTransaction extends LedgerTransaction {
  constructor(private readonly tables: Tables) {
    super();
  }

  async lockAccounts(accountIds: readonly string[]): Promise<ReadonlyMap<string, AccountLedger>> {
    return new Map(
      accountIds.flatMap((accountId) => {
        const account = this.tables.accounts.get(accountId);
        return account === undefined ? [] : [[accountId, account] as const];
      }),
    );
  }

  async recordUsage(records: readonly UsageRecord[]): Promise<readonly UsageStanding[]> {
    const { usage: stored } = this.tables;
    const standings = records.map(({ usage }): UsageStanding => {
      const same = stored.get(usage.eventId);
      if (same !== undefined)
        return {
          state: same.accountId === usage.accountId && same.cost === usage.cost ? 'applied' : 'conflict',
        };
      const other = stored.get(`${usage.requestId}:${usage.kind === 'final' ? 'lost' : 'final'}`);
      return {
        state: 'fresh',
        earlier: other?.accountId === usage.accountId ? this.#earlier(other) : undefined,
      };
    });
    records.forEach(({ usage, json }, index) => {
      if (standings[index]!.state !== 'fresh') return;
      stored.set(usage.eventId, usage);
      this.tables.events.set(usage.eventId, json);
    });
    return standings;
  }

  async recordDeadLetters(letters: readonly DeadLetter[]): Promise<void> {
    for (const letter of letters) this.tables.deadLetters.set(`${letter.reason} ${letter.event}`, letter);
  }

  async findTransfers(eventId: string): Promise<readonly Transfer[]> {
    return this.tables.transfers.filter((transfer) => transfer.eventId === eventId);
  }

  async write(change: LedgerChange, publishedIds: readonly string[]): Promise<SpentByKey> {
    const { accounts, keys, transfers } = this.tables;
    for (const transfer of change.transfers) {
      if (transfers.some((known) => known.eventId === transfer.eventId && known.part === transfer.part))
        throw new EventIdTaken('event id taken');
      transfers.push(transfer);
    }
    for (const account of change.accounts) accounts.set(account.accountId, account);
    for (const { keyId, accountId, delta } of change.keySpend) {
      const key = keys.get(keyId);
      if (key?.accountId === accountId) keys.set(keyId, { ...key, spent: key.spent + delta });
    }
    const spentByKey = new Map<string, Record<string, Nano>>();
    for (const [keyId, key] of keys)
      if (key.capped && publishedIds.includes(key.accountId))
        spentByKey.set(key.accountId, { ...spentByKey.get(key.accountId), [keyId]: key.spent });
    return spentByKey;
  }

  #earlier(other: UsageRecord['usage']): EarlierUsage {
    const made = this.tables.transfers.filter((transfer) => transfer.eventId === other.eventId);
    const sum = (amounts: Nano[]): Nano => amounts.reduce((total, amount) => total + amount, 0n);
    return {
      cost: other.cost,
      promo: sum(made.map((transfer) => transfer.promo)),
      writtenOff: sum(
        made.filter((transfer) => transfer.kind === 'writeoff').map((transfer) => transfer.amount),
      ),
    };
  }
}

/** What has been published, over a `MemoryLedger`. Profiles have no versions here. */
export class MemoryPublicationLog extends PublicationLog {
  readonly #published = new Map<string, number>();

  constructor(private readonly ledger: MemoryLedger) {
    super();
  }

  async markPublished(versions: ReadonlyMap<string, number>): Promise<void> {
    for (const [accountId, version] of versions)
      if ((this.#published.get(accountId) ?? 0) < version) this.#published.set(accountId, version);
  }

  async unpublished(afterId: string, limit: number): Promise<readonly string[]> {
    return [...this.ledger.accounts.values()]
      .filter(
        ({ accountId, version }) => (this.#published.get(accountId) ?? 0) < version && accountId > afterId,
      )
      .map(({ accountId }) => accountId)
      .sort()
      .slice(0, limit);
  }

  async countUnpublished(): Promise<number> {
    return (await this.unpublished('', Number.MAX_SAFE_INTEGER)).length;
  }
}
