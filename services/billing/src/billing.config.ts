import { configSchema, integer } from '@tunan/config';

/** Settings of billing. */
export const billingConfig = configSchema({
  /** How often accounts with unpublished news are looked for. */
  BILLING_REPAIR_INTERVAL_MS: integer(100, 3_600_000).default(5_000),
  /** Longest pause of that while the admission store or Postgres is away. */
  BILLING_REPAIR_BACK_OFF_MAX_MS: integer(1_000, 3_600_000).default(60_000),
  /** Accounts that one call asks the admission store to read again. */
  BILLING_REPAIR_BATCH: integer(1, 1_000).default(500),
  /** How often confirmed publications are recorded. */
  BILLING_CONFIRM_INTERVAL_MS: integer(10, 60_000).default(1_000),
  /** Pause between two rounds of the reconciliation, and how long a round goes on. */
  BILLING_RECONCILE_INTERVAL_MS: integer(100, 86_400_000).default(60_000),
  BILLING_RECONCILE_BUDGET_MS: integer(100, 600_000).default(60_000),
  /** Accounts, transfers and usage events that one of its statements reads. */
  BILLING_RECONCILE_ACCOUNTS: integer(1, 10_000).default(100),
  BILLING_RECONCILE_TRANSFERS: integer(100, 1_000_000).default(10_000),
  BILLING_RECONCILE_EVENTS: integer(1, 2_000).default(200),
  /** Months of usage partitions that are made in advance, and how often that is looked after. */
  BILLING_PARTITION_MONTHS_AHEAD: integer(1, 24).default(2),
  BILLING_PARTITION_INTERVAL_MS: integer(1_000, 86_400_000).default(21_600_000),
});
