import type { AuthPort, Publication } from '@tunan/contracts';
import { answerWithin, type Clock, type Nano } from '@tunan/kernel';
import type { Logger } from '@tunan/service-kit';
import type { BillingMetrics } from './billing.metrics.js';
import type { AccountLedger } from './domain/account-ledger.js';

/** What the admission store should learn of one account after a ledger transaction. */
export interface AccountNews {
  readonly account: AccountLedger;
  readonly spentByKey: Readonly<Record<string, Nano>>;
  /** Usage events that the balance contains. */
  readonly appliedEventIds: readonly string[];
}

/** The contract's limit of one call. */
const PUBLICATIONS_MAX = 5_000;

/** Versions that wait to be recorded as published; beyond it they are forgotten, and published once more. */
const CONFIRMED_MAX = 50_000;

/** As in the contract. Also for a store in this process, so that a stuck one can't hold a delivery. */
const PUBLISH_TIMEOUT_MS = 5_000;

/**
 * Tells the admission store of new balances. Never fails: what it could not tell stays unpublished in Postgres, and
 * the repair loop tells it later.
 */
export class AccountPublisher {
  #confirmed = new Map<string, number>();

  constructor(
    private readonly auth: Pick<AuthPort, 'publish' | 'refresh'>,
    private readonly metrics: BillingMetrics,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Publishes committed ledger states. */
  async publish(news: readonly AccountNews[]): Promise<void> {
    for (let start = 0; start < news.length; start += PUBLICATIONS_MAX) {
      const part = news.slice(start, start + PUBLICATIONS_MAX);
      const published = await this.#attempt(() =>
        this.auth.publish({ publications: part.map(toPublication) }),
      );
      if (published) this.#confirm(part);
    }
  }

  /** Has the store read an account again whose profile changed. */
  async refresh(accountId: string): Promise<void> {
    await this.#attempt(() => this.auth.refresh({ accountIds: [accountId] }));
  }

  /** Ledger versions that the store confirmed since the last call. */
  takeConfirmed(): ReadonlyMap<string, number> {
    const confirmed = this.#confirmed;
    this.#confirmed = new Map();
    return confirmed;
  }

  async #attempt(call: () => Promise<unknown>): Promise<boolean> {
    try {
      await answerWithin(this.clock, PUBLISH_TIMEOUT_MS, 'auth', call());
      return true;
    } catch (error) {
      this.metrics.publicationFailures.inc();
      this.logger.warn({ err: error }, 'publication failed; it will be repeated');
      return false;
    }
  }

  #confirm(news: readonly AccountNews[]): void {
    for (const { account } of news) {
      const known = this.#confirmed.get(account.accountId);
      if (known === undefined && this.#confirmed.size >= CONFIRMED_MAX) continue;
      // Deliveries in parallel may be confirmed in another order than they were committed in.
      if (known === undefined || known < account.version)
        this.#confirmed.set(account.accountId, account.version);
    }
  }
}

const toPublication = ({ account, spentByKey, appliedEventIds }: AccountNews): Publication => ({
  accountId: account.accountId,
  ledger: {
    version: account.version,
    balance: account.balance,
    spent: account.spent,
    requests: account.requests,
    spentByKey: { ...spentByKey },
  },
  profile: null,
  appliedEventIds: [...appliedEventIds],
});
