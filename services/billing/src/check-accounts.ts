import type { Logger } from '@tunan/service-kit';
import type { Check } from './check.js';
import { Findings } from './findings.js';
import { Pass, type Inspected } from './pass.js';
import type { AccountSums, Books } from './ports/books.js';

/** What one statement may read. */
export interface AccountBounds {
  readonly accounts: number;
  readonly transfers: number;
}

/**
 * Compares the figures of accounts and their keys with the sums of transfers and days. Most accounts have few: these are summed by the
 * page. What a longer history has beyond its share of a page is summed part by part, however long it is.
 */
export class CheckAccounts implements Check, Inspected {
  readonly #differences = new Findings();
  readonly #failures = new Findings();
  readonly #pass: Pass;
  /** Accounts of the last page whose sums are not complete: no more than a page has. */
  readonly #unfinished: AccountSums[] = [];
  #wasLastPage = false;

  constructor(
    private readonly books: Books,
    private readonly logger: Pick<Logger, 'error'>,
    private readonly bounds: AccountBounds,
  ) {
    this.#pass = new Pass(this, bounds.accounts);
  }

  get differences(): number {
    return this.#differences.count;
  }

  get failures(): number {
    return this.#failures.count;
  }

  async step(): Promise<boolean> {
    const [unfinished] = this.#unfinished;
    if (unfinished === undefined) this.#wasLastPage = await this.#pass.step();
    else await this.#goOn(unfinished);
    const ends = this.#wasLastPage && this.#unfinished.length === 0;
    if (ends) {
      this.#wasLastPage = false;
      this.#failures.endPass();
    }
    return ends;
  }

  async inspect(afterId: string, limit: number): Promise<string | null> {
    const { accounts, transfers } = this.bounds;
    const found = await this.books.sums(afterId, limit, Math.ceil(transfers / accounts));
    for (const sums of found)
      if (sums.next === null) this.#judge(sums);
      else this.#unfinished.push(sums);
    return found.length < limit ? null : found.at(-1)!.accountId;
  }

  idAfter(afterId: string): Promise<string | null> {
    return this.books.accountAfter(afterId);
  }

  giveUp(accountId: string, error: unknown): void {
    if (this.#failures.add(accountId))
      this.logger.error({ accountId, err: error }, 'the figures of an account could not be checked');
  }

  /** Adds the next part of a long history. A part has a fixed size: one that fails is not worth a second try. */
  async #goOn(sums: AccountSums): Promise<void> {
    const { accountId, next: afterSeq, transferred, promoTransferred, charged } = sums;
    let part: AccountSums;
    try {
      part = await this.books.moreSums(accountId, afterSeq!, this.bounds.transfers);
    } catch (error) {
      // Rejects if Postgres is away, which is no fault of this account.
      await this.books.accountAfter(accountId);
      this.#unfinished.shift();
      this.giveUp(accountId, error);
      return;
    }
    const whole = {
      ...part,
      transferred: transferred + part.transferred,
      promoTransferred: promoTransferred + part.promoTransferred,
      charged: charged + part.charged,
    };
    if (whole.next !== null) this.#unfinished[0] = whole;
    else {
      this.#unfinished.shift();
      this.#judge(whole);
    }
  }

  #judge(sums: AccountSums): void {
    this.#failures.delete(sums.accountId);
    if (isBalanced(sums)) this.#differences.delete(sums.accountId);
    else if (this.#differences.add(sums.accountId))
      this.logger.error(textOf(sums), 'the figures of an account are not the sums of its transfers and days');
  }
}

const isBalanced = (sums: AccountSums): boolean =>
  sums.balance === sums.transferred &&
  sums.promo === sums.promoTransferred &&
  sums.spent === sums.charged &&
  sums.spent === sums.byDay &&
  sums.requests === sums.requestsByDay &&
  sums.wrongKey === null;

const textOf = ({ next: _, ...sums }: AccountSums): Record<string, string> =>
  Object.fromEntries(Object.entries(sums).map(([name, value]) => [name, String(value)]));
