import { authContract, billingContract } from '@tunan/contracts';
import {
  createNestContext,
  Recurring,
  type ServiceDefinition,
  type ServiceInstance,
} from '@tunan/service-kit';
import { billingConfig } from './billing.config.js';
import { billingModule, type BillingContext } from './billing.module.js';
import { BillingService } from './billing.service.js';
import { ReconcileBooks } from './reconcile-books.js';
import { ReconciliationMetrics } from './reconciliation.metrics.js';
import { RepairPublications } from './repair-publications.js';

/** The ledger and its one writer. */
export const billing: ServiceDefinition<typeof billingConfig> = {
  name: 'billing',
  config: billingConfig,
  requires: [authContract],
  postgres: true,
  start: (context) => start(context),
};

const start = async (context: BillingContext): Promise<ServiceInstance> => {
  const nest = await createNestContext(billingModule(context), context);
  const service = nest.get(BillingService);
  const repair = nest.get(RepairPublications);
  const chores = startChores(context, repair, nest.get(ReconcileBooks), nest.get(ReconciliationMetrics));
  return {
    contracts: [{ contract: billingContract, implementation: service }],
    stages: {},
    surfaces: [],
    drain: (timeoutMs) => service.drain(timeoutMs),
    stop: async () => {
      await Promise.all(chores.map((chore) => chore.stop()));
      // What is not recorded is published once more after the next start: worth a try, not worth a failed stop.
      await repair
        .recordConfirmed()
        .catch((error: unknown) => context.logger.warn({ err: error }, 'last confirmations lost'));
      await nest.close();
    },
  };
};

/** What billing does unasked. Neither Postgres nor the admission store has to be there for it to start. */
const startChores = (
  context: BillingContext,
  repair: RepairPublications,
  reconcile: ReconcileBooks,
  metrics: ReconciliationMetrics,
): readonly Recurring[] => {
  const { clock, config, logger } = context;
  const chore = (
    name: string,
    intervalMs: number,
    task: (stopping: AbortSignal) => Promise<void>,
  ): Recurring =>
    new Recurring(clock, task, {
      intervalMs,
      backOffMaxMs: config.BILLING_REPAIR_BACK_OFF_MAX_MS,
      random: Math.random,
      onError: (error) => logger.warn({ err: error }, `${name} failed; it will be repeated`),
    });
  const monthsAhead = config.BILLING_PARTITION_MONTHS_AHEAD;
  const chores = [
    chore('repair of publications', config.BILLING_REPAIR_INTERVAL_MS, () => repair.run()),
    chore('recording of publications', config.BILLING_CONFIRM_INTERVAL_MS, () => repair.recordConfirmed()),
    chore('reconciliation', config.BILLING_RECONCILE_INTERVAL_MS, async (stopping) => {
      const found = await reconcile.run(stopping);
      metrics.show(found, clock.nowMs());
      if (found.errors.length > 0) throw new AggregateError(found.errors, 'not every check could go on');
    }),
    chore('making of partitions', config.BILLING_PARTITION_INTERVAL_MS, async () => {
      await context.postgres().query('SELECT ensure_usage_partitions($1)', [monthsAhead]);
    }),
  ];
  for (const each of chores) each.start();
  return chores;
};
