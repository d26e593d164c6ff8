import type { Catalog, Publication } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import type { AccountRecord, AccountSource } from './ports/account-source.js';
import type { PendingEvent } from './domain/operations.js';
import type { AdmissionStore } from './store/admission-store.js';

/** Accounts that are read in one snapshot. */
const ACCOUNTS_PER_READ = 200;

/**
 * Most events that one read asks about, in equal parts for its accounts. An account that has more is read again alone; what
 * is left then stays pending until a later one.
 */
const EVENTS_PER_READ = 20_000;

/** A store that loses its content again and again while Postgres is read is not there. */
const ATTEMPTS_MAX = 3;

type Tiers = Catalog['tiers'];

/** What a read of Postgres tells the store. */
const toPublication = (
  { accountId, ledger, profile, appliedEventIds }: AccountRecord,
  tiers: Tiers,
): Publication => {
  const tier = tiers[profile.tier];
  const { rpm, tpm, concurrency } = profile.limits;
  const limits = { rpm: rpm ?? tier.rpm, tpm: tpm ?? tier.tpm, concurrency: concurrency ?? tier.concurrency };
  return { accountId, ledger, profile: { ...profile, limits }, appliedEventIds: [...appliedEventIds] };
};

/**
 * Reads accounts from Postgres and publishes them to the store: what makes a cold account hot, and what repairs a
 * publication that was lost. Carries no amount of its own, so it may be repeated, late, or twice at once.
 */
export class AccountRefresher {
  constructor(
    private readonly store: AdmissionStore,
    private readonly source: AccountSource,
    /** Limits by tier of the active catalog; undefined while there is none. */
    private readonly tiers: () => Tiers | undefined,
    /** Told when a confirmation could not be recorded, which costs another publication. */
    private readonly onUnconfirmed: (error: unknown) => void,
  ) {}

  /**
   * @returns those of the accounts that exist
   * @throws Fault `service_unavailable`
   */
  async refresh(accountIds: readonly string[]): Promise<ReadonlySet<string>> {
    const existing = new Set<string>();
    for (let start = 0; start < accountIds.length; start += ACCOUNTS_PER_READ)
      for (const { accountId } of await this.#refreshPart(accountIds.slice(start, start + ACCOUNTS_PER_READ)))
        existing.add(accountId);
    return existing;
  }

  async #refreshPart(accountIds: readonly string[]): Promise<readonly AccountRecord[]> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      // In this order: events that become pending after this are not asked about and stay pending.
      const generation = await this.store.generation();
      const limitEach = Math.floor(EVENTS_PER_READ / accountIds.length);
      const pending = await this.store.pendingOf(accountIds, limitEach);
      const records = await this.source.read(accountIds, pending);
      const tiers = this.tiers();
      if (tiers === undefined) throw unavailable('no catalog is active');
      const publications = records.map((record) => toPublication(record, tiers));
      if (!(await this.store.publish(publications, generation))) continue;
      await this.#confirm(records);
      await this.#refreshFull(accountIds, pending, limitEach);
      return records;
    }
    throw unavailable('the store lost its content while accounts were read');
  }

  /** Newer charges of an account must not wait for older ones that no ledger takes. */
  async #refreshFull(
    accountIds: readonly string[],
    pending: readonly PendingEvent[],
    limitEach: number,
  ): Promise<void> {
    if (accountIds.length === 1 || pending.length < limitEach) return;
    const counts = new Map<string, number>();
    for (const { accountId } of pending) counts.set(accountId, (counts.get(accountId) ?? 0) + 1);
    for (const [accountId, count] of counts) if (count >= limitEach) await this.#refreshPart([accountId]);
  }

  async #confirm(records: readonly AccountRecord[]): Promise<void> {
    try {
      await this.source.confirm(
        records.map(({ accountId, ledger, profile }) => ({
          accountId,
          ledger: ledger.version,
          profile: profile.version,
        })),
      );
    } catch (error) {
      this.onUnconfirmed(error);
    }
  }
}

const unavailable = (internal: string): Fault =>
  new Fault('service_unavailable', 'The service is not available at the moment. Please retry.', {
    internal,
    retryAfterMs: 1_000,
  });
