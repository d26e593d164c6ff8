import type { AuthPort, BillingPort } from '@tunan/contracts';
import {
  AccountRefresher,
  AuthService,
  BillingUsageLedger,
  BillingUsageSink,
  Catalogs,
  ColdAccounts,
  KeyDirectory,
  KeyLookup,
  LeaseSweeper,
  MemoryIdempotentAnswers,
  StoreOrigin,
  StoreRepair,
  UsageRelay,
  type AccountSource,
  type AdmissionStore,
  type AuthMetrics,
  type MemoryCatalogSource,
  type StoreRegister,
} from '@tunan/auth/testing';
import { Recurring } from '@tunan/service-kit';
import type { Process } from './process.js';

/** Keys are known beforehand: nobody asks. */
class NoLookup extends KeyLookup {
  override find(keys: readonly unknown[]): Promise<null[]> {
    return Promise.resolve(keys.map(() => null));
  }
}

/** What auth reaches from its process. */
export interface AuthPorts {
  readonly store: AdmissionStore;
  readonly register: StoreRegister;
  readonly accounts: AccountSource;
  readonly catalogs: MemoryCatalogSource;
  readonly billing: Pick<BillingPort, 'deliver' | 'book' | 'findUsage'>;
}

/** Shorter than in production where a run would have nothing to do but wait; in the same order of size. */
export const AUTH_TIMES = {
  sweepMs: 4_000,
  repairMs: 4_000,
  staleMs: 15_000,
  catalogMs: 10_000,
  relayIdleMs: 4_000,
  backOffMaxMs: 5_000,
} as const;

/** The parts of auth, wired as its module wires them, in one life of a process. */
export class AuthHost {
  readonly service: AuthPort;

  constructor(
    process: Process,
    { store, register, accounts, catalogs: source, billing }: AuthPorts,
    metrics: AuthMetrics,
    random: () => number,
  ) {
    const ignore = (): void => undefined;
    const catalogs = new Catalogs(source);
    const refresher = new AccountRefresher(store, accounts, () => catalogs.active?.catalog.tiers, ignore);
    const cold = new ColdAccounts(refresher, ignore);
    const relay = new UsageRelay(store, new BillingUsageSink(billing, process), process, {
      batchMax: 5,
      lingerMs: 50,
      idleMs: AUTH_TIMES.relayIdleMs,
      backOffMs: { first: 100, most: AUTH_TIMES.backOffMaxMs },
      random,
      onDelivered: ignore,
      onError: ignore,
    });
    const origin = new StoreOrigin(store, register, ignore);
    const sweeper = new LeaseSweeper(store, catalogs, ignore);
    const repair = new StoreRepair(store, refresher, AUTH_TIMES.staleMs);
    const keys = new KeyDirectory(new NoLookup(), [], process, { cacheMax: 1, hitMs: 0, missMs: 0 });
    this.service = new AuthService({
      store,
      catalogs,
      keys,
      answers: new MemoryIdempotentAnswers(process, 60_000),
      cold,
      origin,
      refresher,
      relay,
      ledger: new BillingUsageLedger(billing, process),
      metrics,
      clock: process,
      coldWaitMs: 500,
    });
    const chore = (intervalMs: number, task: () => Promise<void>): void =>
      new Recurring(process, task, {
        intervalMs,
        backOffMaxMs: AUTH_TIMES.backOffMaxMs,
        random,
        onError: ignore,
      }).start();
    chore(AUTH_TIMES.catalogMs, async () => {
      if (await catalogs.poll()) repair.readAllAgain();
    });
    chore(AUTH_TIMES.sweepMs, async () => void (await sweeper.sweep()));
    chore(AUTH_TIMES.repairMs, async () => {
      if (catalogs.active !== undefined) await repair.run();
    });
    relay.start();
    void origin.isFirst();
  }
}
