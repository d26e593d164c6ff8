import type { Nano } from '@tunan/kernel';
import { Gauge, type Registry } from 'prom-client';
import type { Reconciliation } from './reconcile-books.js';

const NANO_PER_MICRO = 1_000n;

/** What reconciliation shows. Labels are closed lists. */
export class ReconciliationMetrics {
  readonly #differences: Gauge<'check'>;
  readonly #failedChecks: Gauge<'check'>;
  readonly #passSeconds: Gauge<'check'>;
  readonly #roundSeconds: Gauge;
  readonly #clearing: Gauge;
  readonly #deadLetters: Gauge;
  readonly #charged: Gauge<'provider'>;
  readonly #cost: Gauge<'provider'>;
  readonly #ratedThroughSeconds: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#differences = new Gauge({
      name: 'tunan_billing_reconciliation_differences',
      help: 'Accounts whose sums are not their transfers, charges that are not price × usage. Any is an alert.',
      labelNames: ['check'],
      registers,
    });
    this.#failedChecks = new Gauge({
      name: 'tunan_billing_reconciliation_failed_checks',
      help: 'Accounts and charges that could not be checked in their turn, and checks that could not go on. Any is an alert.',
      labelNames: ['check'],
      registers,
    });
    this.#passSeconds = new Gauge({
      name: 'tunan_billing_reconciliation_pass_timestamp_seconds',
      help: 'Begin of the last pass over everything that has ended, 0 before the first. What came later may be unchecked.',
      labelNames: ['check'],
      registers,
    });
    this.#roundSeconds = new Gauge({
      name: 'tunan_billing_reconciled_timestamp_seconds',
      help: 'When a round last ended in which every check could go on.',
      registers,
    });
    this.#clearing = new Gauge({
      name: 'tunan_billing_clearing_micro_usd',
      help: 'Top-ups less payments sent back, in millionths of a dollar: what payment providers must have paid us.',
      registers,
    });
    this.#deadLetters = new Gauge({
      name: 'tunan_billing_dead_letter_rows',
      help: 'Usage events that were put aside, until somebody has dealt with them, counted up to a bound. Any is an alert.',
      registers,
    });
    this.#charged = new Gauge({
      name: 'tunan_billing_rated_charges_micro_usd',
      help: 'Charges by provider, of the usage of known cost that the current or last pass has met, oldest first.',
      labelNames: ['provider'],
      registers,
    });
    this.#cost = new Gauge({
      name: 'tunan_billing_rated_cost_micro_usd',
      help: 'What the same usage costs us by the catalog, uncharged answers included.',
      labelNames: ['provider'],
      registers,
    });
    this.#ratedThroughSeconds = new Gauge({
      name: 'tunan_billing_rated_through_timestamp_seconds',
      help: 'Time of the newest request that this pass has met.',
      registers,
    });
  }

  /** Shows what a round that ended at `nowMs` leaves. */
  show(found: Reconciliation, nowMs: number): void {
    this.#differences.set({ check: 'books' }, found.books);
    this.#differences.set({ check: 'rating' }, found.rating);
    for (const [check, count] of Object.entries(found.failed)) this.#failedChecks.set({ check }, count);
    for (const [check, ms] of Object.entries(found.passedMs)) this.#passSeconds.set({ check }, ms / 1_000);
    if (found.errors.length === 0) this.#roundSeconds.set(nowMs / 1_000);
    if (found.totals !== null) {
      this.#clearing.set(micro(found.totals.clearing));
      this.#deadLetters.set(found.totals.deadLetters);
    }
    // A provider that this pass has not met yet has no figure in it.
    this.#charged.reset();
    this.#cost.reset();
    for (const [provider, { charged, cost }] of found.rated.margins) {
      this.#charged.set({ provider }, micro(charged));
      this.#cost.set({ provider }, micro(cost));
    }
    this.#ratedThroughSeconds.set(found.rated.throughMs / 1_000);
  }
}

const micro = (amount: Nano): number => Number(amount / NANO_PER_MICRO);
