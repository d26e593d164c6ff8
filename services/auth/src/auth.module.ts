import type { DynamicModule, Provider, Type } from '@nestjs/common';
import { billingContract, BillingPort } from '@tunan/contracts';
import { parsePeppers } from '@tunan/kernel';
import { serviceModule, type ServiceContext } from '@tunan/service-kit';
import { AccountRefresher } from './account-refresher.js';
import type { authConfig } from './auth.config.js';
import type { AuthMetrics } from './auth.metrics.js';
import { AuthService } from './auth.service.js';
import { Catalogs } from './catalogs.js';
import { ColdAccounts } from './cold-accounts.js';
import { BillingUsageLedger } from './edges/billing-usage-ledger.js';
import { BillingUsageSink } from './edges/billing-usage-sink.js';
import { PostgresAccountSource } from './edges/postgres-account-source.js';
import { PostgresCatalogSource } from './edges/postgres-catalog-source.js';
import { PostgresIdempotentAnswers } from './edges/postgres-idempotent-answers.js';
import { PostgresStoreRegister } from './edges/postgres-store-register.js';
import { PostgresKeyLookup } from './edges/postgres-key-lookup.js';
import { KeyDirectory } from './key-directory.js';
import { LeaseSweeper } from './lease-sweeper.js';
import { AccountSource } from './ports/account-source.js';
import { IdempotentAnswers } from './ports/idempotent-answers.js';
import { UsageLedger } from './ports/usage-ledger.js';
import { UsageSink } from './ports/usage-sink.js';
import { StoreOrigin } from './store-origin.js';
import { StoreReconciliation } from './store-reconciliation.js';
import { StoreRepair } from './store-repair.js';
import type { AdmissionStore } from './store/admission-store.js';
import { UsageRelay } from './usage-relay.js';

export type AuthContext = ServiceContext<typeof authConfig>;

/** First pause of a relay whose delivery failed, and how often it looks unasked. */
const RELAY_BACK_OFF_MS = 100;
const RELAY_IDLE_MS = 1_000;

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

/** Reports background work that failed. */
const failureOf =
  ({ logger }: AuthContext, metrics: AuthMetrics, task: string) =>
  (error: unknown): void => {
    metrics.failures.inc({ task });
    logger.warn({ err: error }, `${task} failed; it will be repeated`);
  };

/** What auth knows from elsewhere, and tells elsewhere. */
const edges = (context: AuthContext): readonly Provider[] => {
  const { clock, config } = context;
  return [
    provide(BillingPort, [], () => context.port(billingContract)),
    provide(AccountSource, [], () => new PostgresAccountSource(context.postgres())),
    provide(Catalogs, [], () => new Catalogs(new PostgresCatalogSource(context.postgres()))),
    provide(
      IdempotentAnswers,
      [],
      () => new PostgresIdempotentAnswers(context.postgres(), config.AUTH_LEASE_MS),
    ),
    provide(KeyDirectory, [], () => {
      const lookup = new PostgresKeyLookup(context.postgres());
      return new KeyDirectory(lookup, parsePeppers(config.KEY_PEPPER.reveal()), clock, {
        cacheMax: config.AUTH_KEY_CACHE_MAX,
        hitMs: config.AUTH_KEY_CACHE_MS,
        missMs: config.AUTH_KEY_MISS_CACHE_MS,
      });
    }),
    provide(UsageSink, [BillingPort], (billing: BillingPort) => new BillingUsageSink(billing, clock)),
    provide(UsageLedger, [BillingPort], (billing: BillingPort) => new BillingUsageLedger(billing, clock)),
  ];
};

/** What keeps the store and Postgres in step. */
const upkeep = (context: AuthContext, store: AdmissionStore, metrics: AuthMetrics): readonly Provider[] => {
  const { clock, config } = context;
  return [
    provide(
      AccountRefresher,
      [AccountSource, Catalogs],
      (source: AccountSource, catalogs: Catalogs) =>
        new AccountRefresher(
          store,
          source,
          () => catalogs.active?.catalog.tiers,
          failureOf(context, metrics, 'confirmation'),
        ),
    ),
    provide(
      ColdAccounts,
      [AccountRefresher],
      (refresher: AccountRefresher) =>
        new ColdAccounts(refresher, (outcome, count) => metrics.coldLoads.inc({ outcome }, count)),
    ),
    provide(StoreOrigin, [], () => {
      const register = new PostgresStoreRegister(context.postgres());
      return new StoreOrigin(store, register, failureOf(context, metrics, 'origin'));
    }),
    provide(
      UsageRelay,
      [UsageSink],
      (sink: UsageSink) =>
        new UsageRelay(store, sink, clock, {
          batchMax: config.AUTH_RELAY_BATCH,
          lingerMs: config.AUTH_RELAY_LINGER_MS,
          idleMs: RELAY_IDLE_MS,
          backOffMs: { first: RELAY_BACK_OFF_MS, most: config.AUTH_BACK_OFF_MAX_MS },
          random: Math.random,
          onDelivered: (events) => metrics.relayed.inc(events),
          onError: failureOf(context, metrics, 'relay'),
        }),
    ),
    provide(
      LeaseSweeper,
      [Catalogs],
      (catalogs: Catalogs) => new LeaseSweeper(store, catalogs, failureOf(context, metrics, 'sweep')),
    ),
    provide(
      StoreReconciliation,
      [AccountSource],
      (source: AccountSource) =>
        new StoreReconciliation(store, source, context.logger, {
          accounts: config.AUTH_RECONCILE_ACCOUNTS,
          pendingMs: config.AUTH_PENDING_STALE_MS,
          holdMs: config.AUTH_HOLD_AGE_MAX_MS,
        }),
    ),
    provide(
      StoreRepair,
      [AccountRefresher],
      (refresher: AccountRefresher) => new StoreRepair(store, refresher, config.AUTH_PENDING_STALE_MS),
    ),
  ];
};

/** The wiring of auth around an open store; the only file that knows all others. */
export const authModule = (
  context: AuthContext,
  store: AdmissionStore,
  metrics: AuthMetrics,
): DynamicModule => {
  const { clock, config } = context;
  return serviceModule([
    ...edges(context),
    ...upkeep(context, store, metrics),
    provide(
      AuthService,
      [
        Catalogs,
        KeyDirectory,
        IdempotentAnswers,
        ColdAccounts,
        StoreOrigin,
        AccountRefresher,
        UsageRelay,
        UsageLedger,
      ],
      (
        catalogs: Catalogs,
        keys: KeyDirectory,
        answers: IdempotentAnswers,
        cold: ColdAccounts,
        origin: StoreOrigin,
        refresher: AccountRefresher,
        relay: UsageRelay,
        ledger: UsageLedger,
      ) =>
        new AuthService({
          store,
          catalogs,
          keys,
          answers,
          cold,
          origin,
          refresher,
          relay,
          ledger,
          metrics,
          clock,
          coldWaitMs: config.AUTH_COLD_WAIT_MS,
        }),
    ),
  ]);
};
