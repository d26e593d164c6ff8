import { catalog, type AccountProfile, type CatalogSnapshot } from '@tunan/contracts';
import {
  AccountSource,
  aCatalogWire,
  aKey,
  aProfile,
  MemoryCatalogSource,
  MemoryStoreRegister,
  type AccountRecord,
  type ConfirmedVersions,
} from '@tunan/auth/testing';
import { MemoryLedger, PublicationLog } from '@tunan/billing/testing';
import { PRICES, type AccountPlan } from './scenario.js';

const USD = 1_000_000_000n;

const dollars = (nano: bigint): string => `${nano / USD}.${(nano % USD).toString().padStart(9, '0')}`;

/** One chat model at one of the two prices. */
const snapshot = (version: 1 | 2): CatalogSnapshot => {
  const { input, cachedInput, output } = PRICES[version - 1]!;
  const wire = aCatalogWire();
  const models = wire.models.map((model) =>
    model.kind === 'chat'
      ? {
          ...model,
          price: { input: dollars(input), cachedInput: dollars(cachedInput), output: dollars(output) },
        }
      : model,
  );
  return { version, catalog: catalog.parse({ ...wire, models }) };
};

export const SNAPSHOTS: readonly [CatalogSnapshot, CatalogSnapshot] = [snapshot(1), snapshot(2)];

/** What Postgres contains: the ledger, profiles and keys, what was published of them, and the catalog. */
export class Database {
  readonly ledger = new MemoryLedger();
  readonly catalogs = new MemoryCatalogSource();
  readonly register = new MemoryStoreRegister();
  readonly accounts: AccountSource = new LedgerAccountSource(this);
  readonly publications: PublicationLog = new LedgerPublicationLog(this);
  readonly #plans = new Map<string, AccountPlan>();
  readonly #published = new Map<string, { ledger: number; profile: number }>();

  constructor(plans: readonly AccountPlan[]) {
    this.catalogs.activate(SNAPSHOTS[0]);
    for (const plan of plans) {
      this.#plans.set(plan.accountId, plan);
      const keys = plan.keys.map(({ keyId, cap }) => ({ keyId, capped: cap !== null }));
      this.ledger.addAccount(plan.accountId, keys);
    }
  }

  /** An account with its keys and charges, of one moment. Its first payment made a second version of its profile. */
  read(accountId: string): Omit<AccountRecord, 'appliedEventIds'> | undefined {
    const plan = this.#plans.get(accountId);
    const account = this.ledger.accounts.get(accountId);
    if (plan === undefined || account === undefined) return undefined;
    const { version, balance, spent, requests, tier } = account;
    const spentByKey = Object.fromEntries(
      plan.keys.map(({ keyId }) => [keyId, this.ledger.keys.get(keyId)!.spent]),
    );
    const keys: AccountProfile['keys'] = plan.keys.map(({ keyId, cap }) => aKey({ keyId, cap }));
    return {
      accountId,
      ledger: { version, balance, spent, requests, spentByKey },
      profile: {
        ...aProfile({ version: tier === 'paid' ? 2 : 1, tier, keys }),
        limits: { rpm: null, tpm: null, concurrency: null },
      },
    };
  }

  markPublished(accountId: string, ledger: number, profile: number): void {
    const known = this.publishedOf(accountId);
    this.#published.set(accountId, {
      ledger: Math.max(known.ledger, ledger),
      profile: Math.max(known.profile, profile),
    });
  }

  publishedOf(accountId: string): { readonly ledger: number; readonly profile: number } {
    return this.#published.get(accountId) ?? { ledger: 0, profile: 0 };
  }
}

class LedgerAccountSource extends AccountSource {
  constructor(private readonly database: Database) {
    super();
  }

  override read(
    accountIds: readonly string[],
    events: Parameters<AccountSource['read']>[1],
  ): Promise<readonly AccountRecord[]> {
    const { usage } = this.database.ledger;
    return Promise.resolve(
      accountIds.flatMap((accountId) => {
        const account = this.database.read(accountId);
        if (account === undefined) return [];
        const appliedEventIds = events
          .map(({ eventId }) => eventId)
          .filter((eventId) => usage.get(eventId)?.accountId === accountId);
        return [{ ...account, appliedEventIds }];
      }),
    );
  }

  override confirm(versions: readonly ConfirmedVersions[]): Promise<void> {
    for (const { accountId, ledger, profile } of versions)
      this.database.markPublished(accountId, ledger, profile);
    return Promise.resolve();
  }
}

class LedgerPublicationLog extends PublicationLog {
  constructor(private readonly database: Database) {
    super();
  }

  override markPublished(versions: ReadonlyMap<string, number>): Promise<void> {
    for (const [accountId, version] of versions) this.database.markPublished(accountId, version, 0);
    return Promise.resolve();
  }

  override unpublished(afterId: string, limit: number): Promise<readonly string[]> {
    const { ledger } = this.database;
    const stale = [...ledger.accounts.keys()].filter((accountId) => {
      const { ledger: now, profile } = this.database.read(accountId)!;
      const published = this.database.publishedOf(accountId);
      return accountId > afterId && (published.ledger < now.version || published.profile < profile.version);
    });
    return Promise.resolve(stale.sort().slice(0, limit));
  }

  override async countUnpublished(): Promise<number> {
    return (await this.unpublished('', Number.MAX_SAFE_INTEGER)).length;
  }
}
