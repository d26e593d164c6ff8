import type { Nano } from '@tunan/kernel';
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
    this.#writeOff = new Counter({
      name: 'tunan_billing_write_off_micro_usd_total',
      help: 'Charges that credit did not cover, in millionths of a dollar.',
      registers,
    });
  }

  /** Counts a loss. A counter is a float: whole micro-dollars stay exact, the rest is carried over. */
  addWriteOff(amount: Nano): void {
    const total = this.#writeOffRest + amount;
    this.#writeOffRest = total % NANO_PER_MICRO;
    this.#writeOff.inc(Number(total / NANO_PER_MICRO));
  }
}
