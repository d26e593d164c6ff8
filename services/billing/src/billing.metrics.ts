import type { Nano } from '@tunan/kernel';
import type { Margin } from './domain/margin.js';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const NANO_PER_MICRO = 1_000n;

/** What billing counts. Labels are closed lists. */
export class BillingMetrics {
  readonly events: Counter<'result'>;
  readonly deadLetters: Counter<'reason'>;
  readonly batchSeconds: Histogram;
  readonly postings: Counter<'kind'>;
  readonly publicationFailures: Counter;
  readonly unpublishedAccounts: Gauge;
  readonly reconciliation: Gauge<'check'>;
  readonly reconciledSeconds: Gauge;
  readonly #clearing: Gauge;
  readonly #charged: Gauge<'provider'>;
  readonly #cost: Gauge<'provider'>;
  readonly #writeOff: Counter;
  #writeOffRest: Nano = 0n;

  constructor(registry: Registry) {
    const registers = [registry];
    this.events = new Counter({
      name: 'tunan_billing_usage_events_total',
      help: 'Usage events delivered, by what became of them.',
      labelNames: ['result'],
      registers,
    });
    this.deadLetters = new Counter({
      name: 'tunan_billing_dead_letters_total',
      help: 'Deliveries of usage events that can not be applied. Any is an alert.',
      labelNames: ['reason'],
      registers,
    });
    this.batchSeconds = new Histogram({
      name: 'tunan_billing_batch_seconds',
      help: 'Time to apply one delivery, up to its commit.',
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    this.postings = new Counter({
      name: 'tunan_billing_postings_total',
      help: 'Entries posted from outside the request path.',
      labelNames: ['kind'],
      registers,
    });
    this.publicationFailures = new Counter({
      name: 'tunan_billing_publication_failures_total',
      help: 'Calls to the admission store that failed; their news is published later.',
      registers,
    });
    this.unpublishedAccounts = new Gauge({
      name: 'tunan_billing_unpublished_accounts',
      help: 'Accounts with news that the admission store has not confirmed, counted up to a bound.',
      registers,
    });
    this.reconciliation = new Gauge({
      name: 'tunan_billing_reconciliation_differences',
      help: 'Accounts whose sums are not their transfers, charges that are not price × usage. Any is an alert.',
      labelNames: ['check'],
      registers,
    });
    this.reconciledSeconds = new Gauge({
      name: 'tunan_billing_reconciled_timestamp_seconds',
      help: 'When the books were last checked.',
      registers,
    });
    this.#clearing = new Gauge({
      name: 'tunan_billing_clearing_micro_usd',
      help: 'Top-ups less payments sent back, in millionths of a dollar: what payment providers must have paid us.',
      registers,
    });
    this.#charged = new Gauge({
      name: 'tunan_billing_rated_charges_micro_usd',
      help: 'Charges by provider, of all usage whose cost is known, as the last complete rating found them.',
      labelNames: ['provider'],
      registers,
    });
    this.#cost = new Gauge({
      name: 'tunan_billing_rated_cost_micro_usd',
      help: 'What the same usage costs us by the catalog, uncharged answers included.',
      labelNames: ['provider'],
      registers,
    });
    this.#writeOff = new Counter({
      name: 'tunan_billing_write_off_micro_usd_total',
      help: 'Charges that credit did not cover, in millionths of a dollar.',
      registers,
    });
  }

  /** Shows what payment providers must have paid us. */
  setClearing(amount: Nano): void {
    this.#clearing.set(Number(amount / NANO_PER_MICRO));
  }

  /** Shows what the usage of each provider was sold for and cost. */
  setMargins(margins: ReadonlyMap<string, Margin>): void {
    for (const [provider, { charged, cost }] of margins) {
      this.#charged.set({ provider }, Number(charged / NANO_PER_MICRO));
      this.#cost.set({ provider }, Number(cost / NANO_PER_MICRO));
    }
  }

  /** Counts a loss. A counter is a float: whole micro-dollars stay exact, the rest is carried over. */
  addWriteOff(amount: Nano): void {
    const total = this.#writeOffRest + amount;
    this.#writeOffRest = total % NANO_PER_MICRO;
    this.#writeOff.inc(Number(total / NANO_PER_MICRO));
  }
}
