import type { DynamicModule, Provider, Type } from '@nestjs/common';
import { authContract, AuthPort } from '@tunan/contracts';
import { serviceModule, type ServiceContext } from '@tunan/service-kit';
import { AccountPublisher } from './account-publisher.js';
import type { billingConfig } from './billing.config.js';
import { BillingMetrics } from './billing.metrics.js';
import { BillingService } from './billing.service.js';
import { BookUsage } from './book-usage.js';
import { DeliverUsage } from './deliver-usage.js';
import { PostgresBooks } from './edges/postgres-books.js';
import { PostgresLedger } from './edges/postgres-ledger.js';
import { PostgresPriceArchive } from './edges/postgres-price-archive.js';
import { PostgresPublicationLog } from './edges/postgres-publication-log.js';
import { PostgresUsageReader } from './edges/postgres-usage-reader.js';
import { ListEntries } from './list-entries.js';
import { Books } from './ports/books.js';
import { Ledger, PublicationLog } from './ports/ledger.js';
import { PriceArchive } from './ports/price-archive.js';
import { UsageReader } from './ports/usage-reader.js';
import { PostEntry } from './post-entry.js';
import { ReadUsageEvents } from './read-usage-events.js';
import { ReconcileBooks } from './reconcile-books.js';
import { ReconciliationMetrics } from './reconciliation.metrics.js';
import { RepairPublications } from './repair-publications.js';
import { RerateLedger } from './rerate-ledger.js';

export type BillingContext = ServiceContext<typeof billingConfig>;

/** Something that is injected by its class. */
type Token<T> = Type<T> | (abstract new (...args: never[]) => T);

/** A provider whose factory gets exactly what it names. */
const provide = <T, Needs extends readonly unknown[]>(
  token: Token<T>,
  needs: { readonly [Index in keyof Needs]: Token<Needs[Index]> },
  create: (...needs: Needs) => T,
): Provider => ({
  provide: token as Type<T>,
  inject: [...needs] as Type<unknown>[],
  useFactory: (...found: unknown[]) => create(...(found as unknown as Needs)),
});

/** What billing writes: usage, entries, and news of both. */
const writing = (context: BillingContext): readonly Provider[] => {
  const { clock, logger } = context;
  return [
    provide(Ledger, [], () => new PostgresLedger(context.postgres())),
    provide(PublicationLog, [], () => new PostgresPublicationLog(context.postgres())),
    provide(
      AccountPublisher,
      [AuthPort, BillingMetrics],
      (auth: AuthPort, metrics: BillingMetrics) => new AccountPublisher(auth, metrics, clock, logger),
    ),
    provide(
      DeliverUsage,
      [Ledger, AccountPublisher, BillingMetrics],
      (ledger: Ledger, publisher: AccountPublisher, metrics: BillingMetrics) =>
        new DeliverUsage(ledger, publisher, metrics, clock, logger),
    ),
    provide(
      BookUsage,
      [DeliverUsage, UsageReader],
      (deliver: DeliverUsage, usage: UsageReader) => new BookUsage(deliver, usage),
    ),
    provide(
      PostEntry,
      [Ledger, AccountPublisher, BillingMetrics],
      (ledger: Ledger, publisher: AccountPublisher, metrics: BillingMetrics) =>
        new PostEntry(ledger, publisher, metrics),
    ),
  ];
};

/** The wiring of billing; the only file that knows all others. */
export const billingModule = (context: BillingContext): DynamicModule => {
  const { clock, config, health, logger } = context;
  return serviceModule([
    provide(AuthPort, [], () => context.port(authContract)),
    provide(BillingMetrics, [], () => new BillingMetrics(context.metrics)),
    provide(ReconciliationMetrics, [], () => new ReconciliationMetrics(context.metrics)),
    ...writing(context),
    provide(ListEntries, [Ledger], (ledger: Ledger) => new ListEntries(ledger)),
    provide(UsageReader, [], () => new PostgresUsageReader(context.postgres())),
    provide(PriceArchive, [], () => new PostgresPriceArchive(context.postgres())),
    provide(ReadUsageEvents, [UsageReader], (usage: UsageReader) => new ReadUsageEvents(usage)),
    provide(
      RerateLedger,
      [UsageReader, PriceArchive],
      (usage: UsageReader, prices: PriceArchive) => new RerateLedger(usage, prices),
    ),
    provide(Books, [], () => new PostgresBooks(context.postgres())),
    provide(
      ReconcileBooks,
      [Books, UsageReader, PriceArchive],
      (books: Books, usage: UsageReader, prices: PriceArchive) =>
        new ReconcileBooks(books, usage, prices, clock, logger, {
          accounts: config.BILLING_RECONCILE_ACCOUNTS,
          transfers: config.BILLING_RECONCILE_TRANSFERS,
          events: config.BILLING_RECONCILE_EVENTS,
          budgetMs: config.BILLING_RECONCILE_BUDGET_MS,
        }),
    ),
    provide(
      BillingService,
      [DeliverUsage, BookUsage, PostEntry, ListEntries, ReadUsageEvents, RerateLedger],
      (
        deliver: DeliverUsage,
        book: BookUsage,
        post: PostEntry,
        list: ListEntries,
        usage: ReadUsageEvents,
        rerate: RerateLedger,
      ) => new BillingService(deliver, book, post, list, usage, rerate, clock),
    ),
    provide(
      RepairPublications,
      [PublicationLog, AccountPublisher, AuthPort, BillingMetrics],
      (log: PublicationLog, publisher: AccountPublisher, auth: AuthPort, metrics: BillingMetrics) =>
        new RepairPublications(
          log,
          publisher,
          auth,
          metrics,
          health.dependency('postgres'),
          clock,
          config.BILLING_REPAIR_BATCH,
        ),
    ),
  ]);
};
