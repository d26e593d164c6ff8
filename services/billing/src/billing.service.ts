import { BillingPort } from '@tunan/contracts';
import type { Clock } from '@tunan/kernel';
import { databaseFault } from '@tunan/postgres';
import type { BookUsage } from './book-usage.js';
import type { DeliverUsage } from './deliver-usage.js';
import type { ListEntries } from './list-entries.js';
import type { PostEntry } from './post-entry.js';
import type { ReadUsageEvents } from './read-usage-events.js';
import type { RerateLedger } from './rerate-ledger.js';

const DRAIN_POLL_MS = 20;

/** The calls that billing answers: each either resolves or fails with a Fault. */
export class BillingService extends BillingPort {
  #inFlight = 0;

  constructor(
    private readonly deliverUsage: DeliverUsage,
    private readonly bookUsage: BookUsage,
    private readonly postEntry: PostEntry,
    private readonly listEntries: ListEntries,
    private readonly usage: ReadUsageEvents,
    private readonly rerateLedger: RerateLedger,
    private readonly clock: Clock,
  ) {
    super();
  }

  override deliver: BillingPort['deliver'] = ({ events }) =>
    this.#answer(async () => {
      await this.deliverUsage.deliver(events);
      return {};
    });

  override book: BillingPort['book'] = (request) => this.#answer(() => this.bookUsage.book(request));

  override post: BillingPort['post'] = (posting) => this.#answer(() => this.postEntry.post(posting));

  override entries: BillingPort['entries'] = (request) => this.#answer(() => this.listEntries.list(request));

  override findUsage: BillingPort['findUsage'] = (request) => this.#answer(() => this.usage.find(request));

  override usageByDay: BillingPort['usageByDay'] = (range) => this.#answer(() => this.usage.byDay(range));

  override rerate: BillingPort['rerate'] = (request) => this.#answer(() => this.rerateLedger.page(request));

  /** Resolves when no call is under way, at the latest after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    const deadlineMs = this.clock.monotonicMs() + timeoutMs;
    while (this.#inFlight > 0 && this.clock.monotonicMs() < deadlineMs) await this.clock.sleep(DRAIN_POLL_MS);
  }

  async #answer<T>(work: () => Promise<T>): Promise<T> {
    this.#inFlight += 1;
    try {
      return await work();
    } catch (error) {
      throw databaseFault(error);
    } finally {
      this.#inFlight -= 1;
    }
  }
}
