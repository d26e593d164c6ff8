import type { LedgerState } from '@tunan/contracts';
import type { Logger } from '@tunan/service-kit';
import type { AccountSource } from './ports/account-source.js';
import type { AdmissionStore } from './store/admission-store.js';

/** How much a round looks at, and what is too old. */
export interface ReconciliationBounds {
  /** Accounts of one round; rounds go on where the last one ended. */
  readonly accounts: number;
  /** A charge that is pending for longer, with its event delivered, should be in Postgres. */
  readonly pendingMs: number;
  /** A hold that is older belongs to no stream. */
  readonly holdMs: number;
}

/** What was found wrong, by check. Zero is the only good figure. */
export interface StoreDifferences {
  /** Accounts, of all looked at since the start, whose balance, charges or requests are not the ledger's of that version. */
  readonly balances: number;
  /** Charges whose event was delivered and is not in Postgres: put aside there, or lost. */
  readonly events: number;
  /** Holds older than any stream. */
  readonly holds: number;
}

/** Accounts, events or holds that are read at once. */
const PART = 200;
/** Differences that are remembered and counted; more are as bad. */
const DIFFERENCES_MAX = 1_000;

/**
 * Compares the store with Postgres. It repairs nothing: what the protocol of versions and events keeps equal differs
 * only by a defect or a hand, and somebody must see that.
 */
export class StoreReconciliation {
  #cursor: string | null = null;
  readonly #drifting = new Set<string>();

  constructor(
    private readonly store: Pick<
      AdmissionStore,
      'accountIds' | 'ledgersOf' | 'deliveredPending' | 'agedHolds'
    >,
    private readonly source: Pick<AccountSource, 'read'>,
    private readonly logger: Pick<Logger, 'error'>,
    private readonly bounds: ReconciliationBounds,
  ) {}

  /**
   * One round.
   * @throws Fault `service_unavailable`
   */
  async run(): Promise<StoreDifferences> {
    await this.#compareBalances();
    const events = await this.#missingEvents();
    const holds = await this.store.agedHolds(this.bounds.holdMs, DIFFERENCES_MAX);
    for (const { requestId, accountId } of holds.slice(0, 1))
      this.logger.error({ requestId, accountId, holds: holds.length }, 'holds are older than any stream');
    return { balances: this.#drifting.size, events, holds: holds.length };
  }

  async #compareBalances(): Promise<void> {
    for (let left = this.bounds.accounts; left > 0; left -= PART) {
      const { accountIds, next } = await this.store.accountIds(this.#cursor, Math.min(PART, left));
      if (accountIds.length > 0) await this.#comparePart(accountIds);
      this.#cursor = next;
      if (next === null) return;
    }
  }

  async #comparePart(accountIds: readonly string[]): Promise<void> {
    // The store first: Postgres may be ahead of what was read, never behind.
    const stored = await this.store.ledgersOf(accountIds);
    const records = await this.source.read(accountIds, []);
    const ledgers = new Map(records.map(({ accountId, ledger }) => [accountId, ledger]));
    for (const { accountId, ledger: own } of stored) {
      const ledger = ledgers.get(accountId);
      const drifts =
        ledger === undefined ||
        ledger.version < own.version ||
        (ledger.version === own.version && !isSame(own, ledger));
      if (!drifts) this.#drifting.delete(accountId);
      else if (!this.#drifting.has(accountId) && this.#drifting.size < DIFFERENCES_MAX) {
        this.#drifting.add(accountId);
        this.logger.error(
          { accountId, store: factsOf(own), ledger: ledger && factsOf(ledger) },
          'what the store has of an account is not the ledger’s',
        );
      }
    }
  }

  async #missingEvents(): Promise<number> {
    const pending = await this.store.deliveredPending(this.bounds.pendingMs, DIFFERENCES_MAX);
    let missing = 0;
    for (let start = 0; start < pending.length; start += PART) {
      const part = pending.slice(start, start + PART);
      const records = await this.source.read([...new Set(part.map(({ accountId }) => accountId))], part);
      const applied = new Set(records.flatMap(({ appliedEventIds }) => appliedEventIds));
      const lost = part.filter(({ eventId }) => !applied.has(eventId));
      missing += lost.length;
      for (const { accountId, eventId } of lost.slice(0, 1))
        this.logger.error(
          { accountId, eventId, events: lost.length },
          'delivered events are not in Postgres',
        );
    }
    return missing;
  }
}

/** The same figures. Each of the two may leave out a key: Postgres a revoked one, the store one without a cap. */
const isSame = (own: LedgerState, ledger: LedgerState): boolean =>
  own.balance === ledger.balance &&
  own.spent === ledger.spent &&
  own.requests === ledger.requests &&
  Object.entries(own.spentByKey).every(([keyId, spent]) => (ledger.spentByKey[keyId] ?? spent) === spent);

/** For the log, in which an account may have any number of keys. */
const factsOf = ({ version, balance, spent, requests }: LedgerState): object => ({
  version,
  requests,
  balance: String(balance),
  spent: String(spent),
});
