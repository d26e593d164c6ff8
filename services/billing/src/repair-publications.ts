import type { AuthPort } from '@tunan/contracts';
import { answerWithin, type Clock } from '@tunan/kernel';
import type { Dependency } from '@tunan/service-kit';
import type { AccountPublisher } from './account-publisher.js';
import type { BillingMetrics } from './billing.metrics.js';
import type { PublicationLog } from './ports/ledger.js';

/** As in the contract. */
const REFRESH_TIMEOUT_MS = 5_000;

/** Calls per round, so that a round ends. */
const BATCHES_MAX = 20;

/**
 * Has the admission store read accounts again whose news it has not confirmed: after a publication that failed, a
 * process that died between commit and publication, or a write by another service. Level-triggered: it looks at what
 * is, not at what it was told, so nothing has to be remembered for it to be right.
 */
export class RepairPublications {
  /** Where the next batch starts. */
  #afterId = '';

  constructor(
    private readonly log: PublicationLog,
    private readonly publisher: AccountPublisher,
    private readonly auth: Pick<AuthPort, 'refresh'>,
    private readonly metrics: BillingMetrics,
    private readonly postgres: Dependency,
    private readonly clock: Clock,
    private readonly batchSize: number,
  ) {}

  /** Records what the store has confirmed. */
  async recordConfirmed(): Promise<void> {
    const versions = this.publisher.takeConfirmed();
    if (versions.size > 0) await this.log.markPublished(versions);
  }

  /** One round over all unpublished accounts, or as far as its bound reaches. */
  async run(): Promise<void> {
    await this.#observe();
    for (let batches = 0; batches < BATCHES_MAX; batches += 1) {
      const accountIds = await this.log.unpublished(this.#afterId, this.batchSize);
      const atEnd = accountIds.length < this.batchSize;
      // Before the call: a batch that fails must not hold up those behind it.
      this.#afterId = atEnd ? '' : accountIds.at(-1)!;
      if (accountIds.length > 0)
        await answerWithin(
          this.clock,
          REFRESH_TIMEOUT_MS,
          'auth',
          this.auth.refresh({ accountIds: [...accountIds] }),
        );
      if (atEnd) return;
    }
  }

  async #observe(): Promise<void> {
    try {
      await this.recordConfirmed();
      this.metrics.unpublishedAccounts.set(await this.log.countUnpublished());
      this.postgres.up();
    } catch (error) {
      this.postgres.down((error as Error).message);
      throw error;
    }
  }
}
