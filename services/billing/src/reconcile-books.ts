import type { Clock } from '@tunan/kernel';
import type { Logger } from '@tunan/service-kit';
import { CheckAccounts, type AccountBounds } from './check-accounts.js';
import { CheckCharges, type RatedUsage } from './check-charges.js';
import { CheckRounds } from './check.js';
import type { Books, Totals } from './ports/books.js';
import type { PriceArchive } from './ports/price-archive.js';
import type { UsageReader } from './ports/usage-reader.js';

/** How much one statement reads, and how long a round goes on. */
export interface ReconciliationBounds extends AccountBounds {
  readonly events: number;
  /** Of a round, in milliseconds: half of it for each check. */
  readonly budgetMs: number;
}

/** What the rounds have found so far. Zero is the only good figure, of differences and of failures. */
export interface Reconciliation {
  /** Accounts whose figures are not the sums of their transfers. */
  readonly books: number;
  /** Charges that are not what their catalog snapshot says, by no rule. */
  readonly rating: number;
  /** Null: could not be read. */
  readonly totals: Totals | null;
  /** Accounts and charges that could not be checked, and one for a check that this round could not go on with. */
  readonly failed: { readonly books: number; readonly rating: number; readonly clearing: number };
  /** See {@link CheckRounds.passedMs}. */
  readonly passedMs: { readonly books: number; readonly rating: number };
  readonly rated: RatedUsage;
  /** Why checks could not be gone on with. */
  readonly errors: readonly unknown[];
}

/**
 * Checks the books against themselves: balances against transfers, charges against price × usage, price against cost.
 * It repairs nothing. There are no reports of payment providers yet: what they must have paid is the balance of the
 * clearing account.
 */
export class ReconcileBooks {
  readonly #accounts: CheckAccounts;
  readonly #charges: CheckCharges;
  readonly #accountRounds: CheckRounds;
  readonly #chargeRounds: CheckRounds;

  constructor(
    private readonly books: Books,
    usage: UsageReader,
    prices: PriceArchive,
    clock: Clock,
    logger: Pick<Logger, 'error'>,
    bounds: ReconciliationBounds,
  ) {
    this.#accounts = new CheckAccounts(books, logger, bounds);
    this.#charges = new CheckCharges(usage, prices, logger, bounds.events);
    this.#accountRounds = new CheckRounds(this.#accounts, clock, bounds.budgetMs / 2);
    this.#chargeRounds = new CheckRounds(this.#charges, clock, bounds.budgetMs / 2);
  }

  /** One round. Never rejects: a check that fails keeps no other from its turn. */
  async run(stopping: AbortSignal): Promise<Reconciliation> {
    const [totals, books, rating] = [
      await settled(this.books.totals()),
      await settled(this.#accountRounds.run(stopping)),
      await settled(this.#chargeRounds.run(stopping)),
    ];
    return {
      books: this.#accounts.differences,
      rating: this.#charges.differences,
      totals: totals.status === 'fulfilled' ? totals.value : null,
      failed: {
        books: this.#accounts.failures + failureOf(books),
        rating: this.#charges.failures + failureOf(rating),
        clearing: failureOf(totals),
      },
      passedMs: { books: this.#accountRounds.passedMs, rating: this.#chargeRounds.passedMs },
      rated: this.#charges.rated,
      errors: [totals, books, rating].flatMap((each) => (each.status === 'rejected' ? [each.reason] : [])),
    };
  }
}

const settled = async <T>(work: Promise<T>): Promise<PromiseSettledResult<T>> =>
  (await Promise.allSettled([work]))[0];

const failureOf = ({ status }: PromiseSettledResult<unknown>): number => (status === 'rejected' ? 1 : 0);
