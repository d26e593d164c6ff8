import { Counter, Gauge, type Registry } from 'prom-client';

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
