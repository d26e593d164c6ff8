import type { AuthPort, BillingPort } from '@tunan/contracts';
import {
  AccountPublisher,
  BookUsage,
  DeliverUsage,
  Ledger,
  PostEntry,
  RepairPublications,
  type BillingMetrics,
  type EntriesPage,
  type LedgerTransaction,
  type MemoryLedger,
  type PublicationLog,
  type UsageReader,
} from '@tunan/billing/testing';
import { createLogger, Recurring } from '@tunan/service-kit';
import { through, type Link } from './link.js';
import type { Process } from './process.js';

/** What billing reaches from its process. */
export interface BillingPorts {
  readonly ledger: Ledger;
  readonly publications: PublicationLog;
  readonly usage: Pick<UsageReader, 'find'>;
  readonly auth: Pick<AuthPort, 'publish' | 'refresh'>;
}

const REPAIR_MS = 4_000;
const CONFIRM_MS = 4_000;
const BACK_OFF_MAX_MS = 5_000;

const SILENT = createLogger('silent');

/** The parts of billing, wired as its module wires them, in one life of a process. */
export class BillingHost {
  readonly post: PostEntry['post'];
  readonly deliver: BillingPort['deliver'];
  readonly book: BillingPort['book'];
  readonly findUsage: BillingPort['findUsage'];

  constructor(
    process: Process,
    { ledger, publications, usage: reader, auth }: BillingPorts,
    metrics: BillingMetrics,
    random: () => number,
  ) {
    const publisher = new AccountPublisher(auth, metrics, process, SILENT);
    const usage = new DeliverUsage(ledger, publisher, metrics, process, SILENT);
    const entry = new PostEntry(ledger, publisher, metrics);
    const postgres = { up: () => undefined, down: () => undefined };
    const repair = new RepairPublications(publications, publisher, auth, metrics, postgres, process, 1);
    this.post = (posting) => entry.post(posting);
    const book = new BookUsage(usage, reader);
    this.book = (request) => book.book(request);
    this.findUsage = async ({ accountId, requestId }) => ({ event: await reader.find(accountId, requestId) });
    this.deliver = async ({ events }) => {
      await usage.deliver(events);
      return {};
    };
    const chore = (intervalMs: number, task: () => Promise<void>): void =>
      new Recurring(process, task, {
        intervalMs,
        backOffMaxMs: BACK_OFF_MAX_MS,
        random,
        onError: () => undefined,
      }).start();
    chore(REPAIR_MS, () => repair.run());
    chore(CONFIRM_MS, () => repair.recordConfirmed());
  }
}

/**
 * The ledger as billing reaches it: every statement is a call of its own, so that the process may die between
 * any two, and the commit may have happened although nobody is told. Like a database it ends the transaction of
 * a process that died.
 */
export class RemoteLedger extends Ledger {
  constructor(
    private readonly ledger: MemoryLedger,
    private readonly link: Link,
    private readonly process: Process,
  ) {
    super();
  }

  override transaction<T>(work: (transaction: LedgerTransaction) => Promise<T>): Promise<T> {
    return this.link.call('transaction', () =>
      this.ledger.transaction((transaction) =>
        Promise.race([work(through(this.link, () => transaction)), this.process.death]),
      ),
    );
  }

  override entries(accountId: string, afterSeq: bigint, limit: number): Promise<EntriesPage | null> {
    return this.link.call('entries', () => this.ledger.entries(accountId, afterSeq, limit));
  }
}
