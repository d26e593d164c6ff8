import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { StoreStats } from './domain/operations.js';

const GAUGES = {
  holds: ['tunan_auth_holds', 'Holds that have not ended.'],
  pending: ['tunan_auth_pending_charges', 'Charges that Postgres is not known to contain.'],
  tombstones: ['tunan_auth_tombstones', 'Ended requests that are remembered.'],
  accounts: ['tunan_auth_accounts', 'Accounts that the store knows.'],
  outboxDepth: ['tunan_auth_outbox_events', 'Usage events that billing has not confirmed.'],
  outboxAgeMs: ['tunan_auth_outbox_age_seconds', 'Age of the oldest of them.'],
} as const satisfies Record<keyof StoreStats, readonly [name: string, help: string]>;

/** What auth counts. Labels are closed lists. */
export class AuthMetrics {
  /** `reason` is the denial's, empty otherwise. */
  readonly admits: Counter<'outcome' | 'reason'>;
  readonly settlements: Counter<'outcome'>;
  readonly unpaidTokens: Counter<'outcome'>;
  readonly chargeFlags: Counter<'flag'>;
  readonly identifications: Counter<'result'>;
  readonly coldLoads: Counter<'outcome'>;
  readonly swept: Counter<'kind'>;
  readonly repairedAccounts: Counter;
  readonly relayed: Counter;
  readonly failures: Counter<'task'>;
  readonly reconciliation: Gauge<'check'>;
  readonly reconciledSeconds: Gauge;
  readonly batchOperations: Histogram;
  readonly batchSeconds: Histogram;

  constructor(private readonly registry: Registry) {
    this.admits = this.#counter('tunan_auth_admits_total', 'Admissions by outcome.', 'outcome', 'reason');
    this.settlements = this.#counter(
      'tunan_auth_settlements_total',
      'Settlements by outcome, once each.',
      'outcome',
    );
    this.unpaidTokens = this.#counter(
      'tunan_auth_unpaid_tokens_total',
      'Tokens of upstream work that nobody pays for, through no failure of the provider.',
      'outcome',
    );
    this.chargeFlags = this.#counter(
      'tunan_auth_charge_flags_total',
      'Charges a person may want to see.',
      'flag',
    );
    this.identifications = this.#counter('tunan_auth_identifications_total', 'Keys asked about.', 'result');
    this.coldLoads = this.#counter(
      'tunan_auth_cold_loads_total',
      'Cold accounts loaded on demand.',
      'outcome',
    );
    this.swept = this.#counter(
      'tunan_auth_swept_total',
      'Lost requests settled, tombstones forgotten.',
      'kind',
    );
    this.repairedAccounts = this.#counter(
      'tunan_auth_repaired_accounts_total',
      'Accounts read again by the repair.',
    );
    this.relayed = this.#counter('tunan_auth_relayed_events_total', 'Usage events that billing confirmed.');
    this.failures = this.#counter('tunan_auth_task_failures_total', 'Background work that failed.', 'task');
    this.reconciliation = new Gauge({
      name: 'tunan_auth_reconciliation_differences',
      help: 'Balances unlike the ledger, delivered events that it lacks, holds older than any stream. Any is an alert.',
      labelNames: ['check'],
      registers: [registry],
    });
    this.reconciledSeconds = new Gauge({
      name: 'tunan_auth_reconciled_timestamp_seconds',
      help: 'When the store was last compared with Postgres.',
      registers: [registry],
    });
    this.batchOperations = new Histogram({
      name: 'tunan_auth_store_batch_operations',
      help: 'Store operations per commit.',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024],
      registers: [registry],
    });
    this.batchSeconds = new Histogram({
      name: 'tunan_auth_store_batch_seconds',
      help: 'Time to run and commit one batch of store operations.',
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
      registers: [registry],
    });
  }

  /** Publishes what the store holds; `read` is asked at every scrape, and a store that is away has none. */
  observeStore(read: () => Promise<StoreStats>): void {
    let latest: Promise<StoreStats | undefined> | undefined;
    const once = (): Promise<StoreStats | undefined> =>
      (latest ??= read()
        .catch(() => undefined)
        .finally(() => (latest = undefined)));
    for (const [key, [name, help]] of Object.entries(GAUGES) as [
      keyof StoreStats,
      readonly [string, string],
    ][])
      new Gauge({
        name,
        help,
        registers: [this.registry],
        async collect() {
          const figure = (await once())?.[key] ?? NaN;
          this.set(key === 'outboxAgeMs' ? figure / 1_000 : figure);
        },
      });
  }

  #counter<Label extends string>(name: string, help: string, ...labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }
}
