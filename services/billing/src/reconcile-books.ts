import type { CatalogIndex, UsageEvent } from '@tunan/contracts';
import type { Nano } from '@tunan/kernel';
import type { Logger } from '@tunan/service-kit';
import { upstreamCost, type Margin } from './domain/margin.js';
import type { Books, AccountSums } from './ports/books.js';
import type { PriceArchive } from './ports/price-archive.js';
import type { UsageReader } from './ports/usage-reader.js';
import { rateRequests } from './rate-requests.js';

/** How much a round looks at. */
export interface ReconciliationBounds {
  readonly accounts: number;
  readonly events: number;
}

/** What a round found. Differences of zero are the only good ones. */
export interface Reconciliation {
  /** Accounts, of all looked at since the start, whose figures are not the sums of their transfers. */
  readonly books: number;
  /** Charges, likewise, that are not what their catalog snapshot says, by no rule. */
  readonly rating: number;
  readonly clearing: Nano;
  /** By provider, after a round that ended a pass over all events. */
  readonly margins: ReadonlyMap<string, Margin> | null;
}

/** Differences that are remembered and counted; more are as bad. */
const DIFFERENCES_MAX = 1_000;

/**
 * Checks the books against themselves, a bounded part in each round and everything in turn: balances against transfers,
 * charges against price × usage, price against cost. It repairs nothing. There are no reports of payment providers yet:
 * what they must have paid is the balance of the clearing account.
 */
export class ReconcileBooks {
  #afterAccount = '';
  #afterEvent = '';
  readonly #wrongAccounts = new Set<string>();
  readonly #wrongEvents = new Set<string>();
  #margins = new Map<string, Margin>();

  constructor(
    private readonly books: Books,
    private readonly usage: UsageReader,
    private readonly prices: PriceArchive,
    private readonly logger: Pick<Logger, 'error'>,
    private readonly bounds: ReconciliationBounds,
  ) {}

  /** One round. Rejects only if Postgres could not be read; the next round goes on from the same place. */
  async run(): Promise<Reconciliation> {
    await this.#checkAccounts();
    const passEnded = await this.#rateEvents();
    const margins = passEnded ? this.#margins : null;
    if (passEnded) this.#margins = new Map();
    const clearing = await this.books.clearing();
    return { books: this.#wrongAccounts.size, rating: this.#wrongEvents.size, clearing, margins };
  }

  async #checkAccounts(): Promise<void> {
    const { accounts } = this.bounds;
    const found = await this.books.sums(this.#afterAccount, accounts);
    for (const sums of found)
      this.#note(this.#wrongAccounts, sums.accountId, !isBalanced(sums), () =>
        this.logger.error(textOf(sums), 'the figures of an account are not the sums of its transfers'),
      );
    this.#afterAccount = found.length < accounts ? '' : found.at(-1)!.accountId;
  }

  async #rateEvents(): Promise<boolean> {
    const { requests, next } = await this.usage.charged(null, this.#afterEvent, this.bounds.events);
    for (const { request, snapshot, rating } of await rateRequests(requests, this.prices)) {
      const { eventId, accountId, event, charged } = request;
      const faults = rating.difference?.faults ?? [];
      this.#note(this.#wrongEvents, eventId, faults.length > 0, () =>
        this.logger.error({ eventId, accountId, faults }, 'a charge is not what its catalog snapshot says'),
      );
      if (event !== null) this.#countMargin(event, charged, snapshot);
    }
    this.#afterEvent = next ?? '';
    return next === null;
  }

  #countMargin(event: UsageEvent, charged: Nano, snapshot: CatalogIndex | undefined): void {
    const served = upstreamCost(event, snapshot);
    if (served === undefined) return;
    const { provider, cost } = served;
    const known = this.#margins.get(provider) ?? { charged: 0n, cost: 0n };
    this.#margins.set(provider, { charged: known.charged + charged, cost: known.cost + cost });
  }

  #note(wrong: Set<string>, id: string, isWrong: boolean, report: () => void): void {
    if (!isWrong) wrong.delete(id);
    else if (!wrong.has(id) && wrong.size < DIFFERENCES_MAX) {
      wrong.add(id);
      report();
    }
  }
}

const isBalanced = ({ balance, spent, transferred, charged, byDay }: AccountSums): boolean =>
  balance === transferred && spent === charged && spent === byDay;

const textOf = (sums: AccountSums): Record<string, string> =>
  Object.fromEntries(Object.entries(sums).map(([name, value]) => [name, String(value)]));
