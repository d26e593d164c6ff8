import { Counter, Gauge, type Registry } from 'prom-client';
import type { BelowCost } from './domain/below-cost.js';

/** The service's own metrics. */
export const accountMetrics = (registry: Registry) => ({
  refreshFailures: new Counter({
    name: 'tunan_account_refresh_failures_total',
    help: 'Changes of accounts that auth could not be told of at once.',
    registers: [registry],
  }),
  openingsWaiting: new Gauge({
    name: 'tunan_account_openings_waiting',
    help: 'Accounts whose opening credit is not in the ledger yet, as the last look found them (at most one batch).',
    registers: [registry],
  }),
});

/** Shows how much the active catalog sells below cost; read at every scrape, and left as it was if that fails. */
export const observeBelowCost = (registry: Registry, read: () => Promise<readonly BelowCost[]>): void => {
  new Gauge({
    name: 'tunan_account_prices_below_cost',
    help: 'Prices of the active catalog that are below the cost of a channel that may serve them, by kind of token.',
    labelNames: ['tokens'],
    registers: [registry],
    async collect() {
      const found = await read().catch(() => undefined);
      if (found === undefined) return;
      for (const tokens of ['input', 'cachedInput', 'output'] as const)
        this.set({ tokens }, found.filter((each) => each.tokens === tokens).length);
    },
  });
};
