import { maxNano, minNano, type Nano } from '@tunan/kernel';
import type { AccountLedger } from './account-ledger.js';
import type { DayChange, KeySpend, LedgerChange } from './ledger-change.js';
import { fromCustomer, toCustomer, type Transfer } from './transfer.js';

/** What the ledger already holds for a request under its other event. */
export interface EarlierUsage {
  readonly cost: Nano;
  /** Promotional credit that paid for it. */
  readonly promo: Nano;
  /** What credit did not cover. */
  readonly writtenOff: Nano;
}

/** A usage event that is new to the ledger. */
export interface FreshUsage {
  readonly eventId: string;
  readonly requestId: string;
  readonly accountId: string;
  readonly keyId: string;
  readonly model: string;
  /** UTC day of the request, `YYYY-MM-DD`; the same for both events of a request. */
  readonly day: string;
  readonly kind: 'final' | 'lost';
  /** ≥ 0. */
  readonly cost: Nano;
  /** True if the client got a whole answer. */
  readonly completed: boolean;
  /** For a `final`: the `lost` that was applied before. For a `lost`: the `final`. */
  readonly earlier: EarlierUsage | undefined;
}

export interface UsageOutcome extends LedgerChange {
  /** Charges of this batch that credit did not cover. */
  readonly writtenOff: Nano;
}

const NOTHING_EARLIER: EarlierUsage = { cost: 0n, promo: 0n, writtenOff: 0n };

type Draft<T> = { -readonly [Member in keyof T]: T[Member] };

/**
 * Applies usage events to the accounts that they belong to, all of which must be in `accounts`.
 *
 * Per request the ledger converges, in whatever order events come, to its `final` event if there is one, else to its
 * `lost` event: a `final` after a `lost` posts the difference, a `lost` after a `final` posts nothing. The charge is
 * always the whole cost, so that entries equal what the client was shown; what credit does not cover comes back as a
 * write-off in the same transaction, so that the balance does not fall below zero.
 */
export const applyUsage = (
  accounts: ReadonlyMap<string, AccountLedger>,
  fresh: readonly FreshUsage[],
): UsageOutcome => {
  const batch = new UsageBatch(accounts);
  // A `lost` whose `final` is in the same batch would only be charged to be corrected.
  const finals = new Set<string>();
  if (fresh.some((usage) => usage.kind === 'lost'))
    for (const usage of fresh) if (usage.kind === 'final') finals.add(usage.requestId);
  for (const usage of fresh) {
    if (usage.kind === 'final') batch.apply(usage, usage.earlier ?? NOTHING_EARLIER);
    else if (usage.earlier === undefined && !finals.has(usage.requestId)) batch.apply(usage, NOTHING_EARLIER);
  }
  return batch.outcome();
};

class UsageBatch {
  readonly #drafts = new Map<string, Draft<AccountLedger>>();
  readonly #transfers: Transfer[] = [];
  readonly #keySpend = new Map<string, { accountId: string; delta: Nano }>();
  readonly #days = new Map<string, Draft<DayChange>>();
  #writtenOff = 0n;

  constructor(private readonly accounts: ReadonlyMap<string, AccountLedger>) {}

  /** Makes `usage` the state of its request, which was `earlier`. */
  apply(usage: FreshUsage, earlier: EarlierUsage): void {
    const requests = countOf(usage.cost, usage.completed) - countOf(earlier.cost, false);
    const difference = usage.cost - earlier.cost;
    if (difference === 0n && requests === 0) return;
    const draft = this.#draftOf(usage.accountId);
    draft.requests += requests;
    draft.spent += difference;
    this.#countDay(usage, difference, requests);
    if (difference === 0n) return;
    if (difference > 0n) this.#charge(draft, usage, difference);
    else this.#correct(draft, usage, earlier, -difference);
    const key = this.#keySpend.get(usage.keyId);
    if (key === undefined) this.#keySpend.set(usage.keyId, { accountId: usage.accountId, delta: difference });
    else key.delta += difference;
  }

  outcome(): UsageOutcome {
    const keySpend: KeySpend[] = [];
    for (const [keyId, { accountId, delta }] of this.#keySpend)
      if (delta !== 0n) keySpend.push({ keyId, accountId, delta });
    return {
      transfers: this.#transfers,
      accounts: [...this.#drafts.values()],
      keySpend,
      days: [...this.#days.values()],
      writtenOff: this.#writtenOff,
    };
  }

  #charge(draft: Draft<AccountLedger>, { eventId, accountId }: FreshUsage, amount: Nano): void {
    const promo = minNano(draft.promo, amount);
    const uncovered = maxNano(0n, amount - maxNano(0n, draft.balance));
    draft.promo -= promo;
    draft.balance += uncovered - amount;
    this.#transfers.push(
      fromCustomer(accountId, 'revenue', { eventId, part: 0, kind: 'charge', amount, promo }),
    );
    if (uncovered === 0n) return;
    this.#writtenOff += uncovered;
    this.#transfers.push(
      toCustomer(accountId, 'writeoff', { eventId, part: 1, kind: 'writeoff', amount: uncovered, promo: 0n }),
    );
  }

  /**
   * Leaves the account as if the lower cost had been charged in the first place: our loss is made good first, paid
   * credit comes back next, promotional credit last.
   */
  #correct(
    draft: Draft<AccountLedger>,
    { eventId, accountId, cost }: FreshUsage,
    earlier: EarlierUsage,
    amount: Nano,
  ): void {
    const promo = maxNano(0n, earlier.promo - cost);
    const recovered = minNano(earlier.writtenOff, amount);
    draft.promo += promo;
    draft.balance += amount - recovered;
    this.#transfers.push(
      toCustomer(accountId, 'revenue', { eventId, part: 0, kind: 'correction', amount, promo }),
    );
    if (recovered === 0n) return;
    this.#transfers.push(
      fromCustomer(accountId, 'writeoff', {
        eventId,
        part: 1,
        kind: 'writeoff',
        amount: recovered,
        promo: 0n,
      }),
    );
  }

  #countDay({ accountId, day, keyId, model }: FreshUsage, cost: Nano, requests: number): void {
    const id = JSON.stringify([accountId, day, keyId, model]);
    const known = this.#days.get(id);
    if (known === undefined) this.#days.set(id, { accountId, day, keyId, model, cost, requests });
    else {
      known.cost += cost;
      known.requests += requests;
    }
  }

  #draftOf(accountId: string): Draft<AccountLedger> {
    const known = this.#drafts.get(accountId);
    if (known !== undefined) return known;
    const account = this.accounts.get(accountId);
    if (account === undefined)
      throw new Error(`usage of an account that is not in the transaction: ${accountId}`);
    const draft = { ...account, version: account.version + 1 };
    this.#drafts.set(accountId, draft);
    return draft;
  }
}

/** A request counts once it cost something or was answered in full. */
const countOf = (cost: Nano, completed: boolean): number => (cost > 0n || completed ? 1 : 0);
