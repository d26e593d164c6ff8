import type { DynamicModule } from '@nestjs/common';
import { AuthPort, authContract, BillingPort, billingContract } from '@tunan/contracts';
import { parsePeppers } from '@tunan/kernel';
import { serviceModule, type ServiceContext } from '@tunan/service-kit';
import type { accountConfig } from './account.config.js';
import { accountMetrics } from './account.metrics.js';
import { Accounts } from './accounts.js';
import { CatalogSeed } from './catalog-seed.js';
import { Catalogs } from './catalogs.js';
import { Credits } from './credits.js';
import { AccountStore } from './edges/account-store.js';
import { AccountsController } from './edges/accounts.controller.js';
import { CatalogStore } from './edges/catalog-store.js';
import { CatalogController } from './edges/catalog.controller.js';
import { CreditsController } from './edges/credits.controller.js';
import { Database } from './edges/database.js';
import { KeyStore } from './edges/key-store.js';
import { KeysController } from './edges/keys.controller.js';
import { RatingController } from './edges/rating.controller.js';
import { Keys } from './keys.js';
import { OpeningCredits } from './opening-credits.js';
import { ProfileRefresh } from './profile-refresh.js';

/** Wires the account service. The only file that knows every other one. */
export const accountModule = (context: ServiceContext<typeof accountConfig>): DynamicModule => {
  const { clock, config, health, logger, metrics } = context;
  const [pepper] = parsePeppers(config.KEY_PEPPER.reveal());
  const { refreshFailures, openingsWaiting } = accountMetrics(metrics);
  const module = serviceModule([
    { provide: AuthPort, useValue: context.port(authContract) },
    { provide: BillingPort, useValue: context.port(billingContract) },
    { provide: Database, useFactory: () => new Database(context.postgres(), clock) },
    {
      provide: AccountStore,
      useFactory: (database: Database) => new AccountStore(database),
      inject: [Database],
    },
    { provide: KeyStore, useFactory: (database: Database) => new KeyStore(database), inject: [Database] },
    {
      provide: CatalogStore,
      useFactory: (database: Database) => new CatalogStore(database),
      inject: [Database],
    },
    {
      provide: CatalogSeed,
      useFactory: (store: CatalogStore) =>
        new CatalogSeed(store, config.CATALOG_FILE, clock, logger, health.dependency('catalog in postgres')),
      inject: [CatalogStore],
    },
    {
      provide: ProfileRefresh,
      useFactory: (auth: AuthPort) => new ProfileRefresh(auth, clock, logger, refreshFailures),
      inject: [AuthPort],
    },
    {
      provide: OpeningCredits,
      useFactory: (store: AccountStore, billing: BillingPort) =>
        new OpeningCredits(store, billing, clock, logger, openingsWaiting),
      inject: [AccountStore, BillingPort],
    },
    {
      provide: Keys,
      useFactory: (store: KeyStore, catalog: CatalogStore, refresh: ProfileRefresh) =>
        new Keys(store, catalog, refresh, clock, pepper),
      inject: [KeyStore, CatalogStore, ProfileRefresh],
    },
    {
      provide: Accounts,
      useFactory: (
        store: AccountStore,
        catalog: CatalogStore,
        keys: Keys,
        openings: OpeningCredits,
        refresh: ProfileRefresh,
      ) => new Accounts(store, catalog, keys, openings, refresh, clock),
      inject: [AccountStore, CatalogStore, Keys, OpeningCredits, ProfileRefresh],
    },
    { provide: Catalogs, useFactory: (store: CatalogStore) => new Catalogs(store), inject: [CatalogStore] },
    {
      provide: Credits,
      useFactory: (store: AccountStore, billing: BillingPort, refresh: ProfileRefresh) =>
        new Credits(store, billing, refresh),
      inject: [AccountStore, BillingPort, ProfileRefresh],
    },
  ]);
  return {
    ...module,
    controllers: [AccountsController, KeysController, CreditsController, CatalogController, RatingController],
  };
};
