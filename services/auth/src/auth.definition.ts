import { authContract, billingContract, RENEWALS_PER_LEASE } from '@tunan/contracts';
import { Fault, within } from '@tunan/kernel';
import {
  createNestContext,
  Recurring,
  type ServiceDefinition,
  type ServiceInstance,
} from '@tunan/service-kit';
import { authConfig } from './auth.config.js';
import { AuthMetrics } from './auth.metrics.js';
import { authModule, type AuthContext } from './auth.module.js';
import { AuthService } from './auth.service.js';
import { Catalogs } from './catalogs.js';
import { LeaseSweeper } from './lease-sweeper.js';
import { purgeAnswers } from './purge-answers.js';
import { StoreReconciliation } from './store-reconciliation.js';
import { IdempotentAnswers } from './ports/idempotent-answers.js';
import { StoreOrigin } from './store-origin.js';
import { StoreRepair } from './store-repair.js';
import { openStore } from './store/open-store.js';
import { UsageRelay } from './usage-relay.js';

/** Admission, settlement, and the way of usage events to billing. */
export const auth: ServiceDefinition<typeof authConfig> = {
  name: 'auth',
  config: authConfig,
  requires: [billingContract],
  postgres: true,
  start: (context) => start(context),
};

const start = async (context: AuthContext): Promise<ServiceInstance> => {
  const metrics = new AuthMetrics(context.metrics);
  const store = await open(context, metrics);
  metrics.observeStore(() => store.stats());
  const nest = await createNestContext(authModule(context, store, metrics), context);
  const relay = nest.get(UsageRelay);
  const chores = choresOf(
    context,
    metrics,
    nest.get(Catalogs),
    nest.get(LeaseSweeper),
    nest.get(StoreRepair),
    nest.get(StoreReconciliation),
    nest.get(IdempotentAnswers),
  );
  for (const chore of chores) chore.start();
  relay.start();
  // A question of a first start is answered before the first request needs it; else that asks again.
  void nest.get(StoreOrigin).isFirst();
  return {
    contracts: [{ contract: authContract, implementation: nest.get(AuthService) }],
    stages: {},
    surfaces: [],
    // What can't be delivered now is in the store's file and is delivered after the next start.
    drain: (timeoutMs) => within(context.clock, timeoutMs, relay.drain(timeoutMs), undefined),
    stop: async () => {
      await Promise.all([relay.stop(), ...chores.map((chore) => chore.stop())]);
      await nest.close();
      await store.close();
    },
  };
};

/** For this process to be found, and for a renewal to arrive. */
const RETURN_MARGIN_MS = 5_000;

const open = ({ config, clock, dataDir, mode, logger }: AuthContext, metrics: AuthMetrics) => {
  if (mode !== 'embedded')
    logger.warn('the admission store is a file of this process: only one replica of auth may run');
  return openStore(
    {
      folder: dataDir,
      bytesMax: config.AUTH_STORE_BYTES_MAX,
      limits: {
        leaseMs: config.AUTH_LEASE_MS,
        returnMs: Math.ceil(config.AUTH_LEASE_MS / RENEWALS_PER_LEASE) + RETURN_MARGIN_MS,
        tombstoneMs: config.AUTH_TOMBSTONE_MS,
        tombstonesMax: config.AUTH_TOMBSTONES_MAX,
        outboxMax: config.AUTH_OUTBOX_MAX,
      },
      queue: {
        waitingMax: config.AUTH_STORE_WAITING_MAX,
        timeoutMs: { fast: config.AUTH_STORE_TIMEOUT_MS, patient: config.AUTH_STORE_PATIENT_TIMEOUT_MS },
        onBatch: ({ operations, seconds }) => {
          metrics.batchOperations.observe(operations);
          metrics.batchSeconds.observe(seconds);
        },
      },
    },
    clock,
  );
};

/** How often answers that are kept for a day are looked through. */
const ANSWERS_PURGE_INTERVAL_MS = 60_000;

/** What auth does unasked. Neither Postgres nor billing has to be there for it to start. */
const choresOf = (
  { clock, config, health, logger }: AuthContext,
  metrics: AuthMetrics,
  catalogs: Catalogs,
  sweeper: LeaseSweeper,
  repair: StoreRepair,
  reconciliation: StoreReconciliation,
  answers: IdempotentAnswers,
): readonly Recurring[] => {
  const postgres = health.dependency('postgres');
  const catalog = health.dependency('catalog');
  const chore = (
    name: string,
    intervalMs: number,
    task: (stopping: AbortSignal) => Promise<void>,
    backOffMaxMs = 0,
  ): Recurring =>
    new Recurring(clock, task, {
      intervalMs,
      backOffMaxMs,
      random: Math.random,
      onError: (error) => {
        metrics.failures.inc({ task: name });
        logger.warn({ err: error }, `${name} failed; it will be repeated`);
      },
    });
  return [
    chore('catalog', config.AUTH_CATALOG_POLL_MS, async () => {
      try {
        if (await catalogs.poll()) repair.readAllAgain();
      } catch (error) {
        const { code, message } = Fault.from(error);
        (code === 'service_unavailable' ? postgres : catalog).down(message);
        throw error;
      }
      postgres.up();
      if (catalogs.active === undefined) catalog.down('no catalog is active');
      else catalog.up(`version ${catalogs.active.version}`);
    }),
    chore('sweep', config.AUTH_SWEEP_INTERVAL_MS, async () => {
      const { lost, purged } = await sweeper.sweep();
      metrics.swept.inc({ kind: 'lost' }, lost);
      metrics.swept.inc({ kind: 'tombstone' }, purged);
    }),
    chore(
      'answers',
      ANSWERS_PURGE_INTERVAL_MS,
      async (stopping) => void (await purgeAnswers(answers, stopping)),
    ),
    chore(
      'repair',
      config.AUTH_REPAIR_INTERVAL_MS,
      async (stopping) => {
        if (catalogs.active === undefined) return;
        metrics.repairedAccounts.inc(await repair.run(stopping));
      },
      config.AUTH_BACK_OFF_MAX_MS,
    ),
    chore('reconciliation', config.AUTH_RECONCILE_INTERVAL_MS, async () => {
      const differences = await reconciliation.run();
      for (const [check, count] of Object.entries(differences)) metrics.reconciliation.set({ check }, count);
      metrics.reconciledSeconds.set(clock.nowMs() / 1_000);
    }),
  ];
};
