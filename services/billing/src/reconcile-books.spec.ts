import { beforeEach, describe, expect, it } from '@jest/globals';
import { CatalogIndex, type UsageEvent } from '@tunan/contracts';
import { uuidv7, type CancelTimer, type Nano } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { Books, type AccountSums, type Totals } from './ports/books.js';
import { PriceArchive } from './ports/price-archive.js';
import { UsageReader, type ChargedPage, type ChargedRequest } from './ports/usage-reader.js';
import { ReconcileBooks, type Reconciliation } from './reconcile-books.js';
import { aCatalogSnapshot } from './testing/catalog-snapshots.js';
import { usageEventOf } from './testing/usage-events.js';

const PRICE = { input: 200_000_000n, cachedInput: 20_000_000n, output: 400_000_000n };
/** Price and cost of the events that tests make: 120 prompt and 340 completion tokens. */
const SOLD: Nano = 120n * 200n + 340n * 400n;
const COST: Nano = 120n * 150n + 340n * 600n;

const TOTALS: Totals = { clearing: 7n, deadLetters: 3 };

const START_MS = Date.UTC(2026, 0, 1);
/** What every statement takes. */
const STATEMENT_MS = 100;

/** Time that passes where it is waited for, unless a test holds it. */
class PassingClock extends TestClock {
  held = false;

  override after(delayMs: number, callback: () => void): CancelTimer {
    const cancel = super.after(delayMs, callback);
    if (!this.held) queueMicrotask(() => this.advance(delayMs));
    return cancel;
  }
}

/** A store in which statements take time and fail. */
class Statements {
  /** Nothing can be read. */
  away = false;
  /** Ids that can't be read. */
  readonly broken = new Set<string>();
  /** Ids that were read, by statement. */
  readonly read: string[][] = [];

  constructor(private readonly clock: TestClock) {}

  run(ids: readonly string[]): void {
    this.clock.advance(STATEMENT_MS);
    if (this.away) throw new Error('away');
    if (ids.some((id) => this.broken.has(id)))
      throw new Error('canceling statement due to statement timeout');
    this.read.push([...ids]);
  }
}

class FakeBooks extends Books {
  readonly statements: Statements;
  /** Amounts of the transfers of each account, all of them payments. */
  readonly transfers = new Map<string, Nano[]>();
  /** What figures are instead of what they should be. */
  readonly drift = new Map<string, Partial<AccountSums>>();
  /** Called before a part of a history is read. */
  beforePart: () => void = () => undefined;
  totalsAway = false;

  constructor(clock: TestClock) {
    super();
    this.statements = new Statements(clock);
  }

  override async sums(afterId: string, limit: number, transfersMax: number): Promise<readonly AccountSums[]> {
    const ids = [...this.transfers.keys()].filter((id) => id > afterId).slice(0, limit);
    this.statements.run(ids);
    return ids.map((id) => this.#part(id, 0, transfersMax));
  }

  override async moreSums(accountId: string, after: bigint, transfersMax: number): Promise<AccountSums> {
    this.beforePart();
    this.statements.run([accountId]);
    return this.#part(accountId, Number(after), transfersMax);
  }

  override async accountAfter(afterId: string): Promise<string | null> {
    if (this.statements.away) throw new Error('away');
    return [...this.transfers.keys()].find((id) => id > afterId) ?? null;
  }

  override async totals(): Promise<Totals> {
    if (this.totalsAway) throw new Error('no totals');
    return TOTALS;
  }

  #part(accountId: string, after: number, transfersMax: number): AccountSums {
    const all = this.transfers.get(accountId)!;
    const part = all.slice(after, after + transfersMax);
    return {
      accountId,
      balance: sum(all),
      promo: sum(all),
      spent: 0n,
      requests: 0n,
      transferred: sum(part),
      promoTransferred: sum(part),
      charged: 0n,
      byDay: 0n,
      requestsByDay: 0n,
      wrongKey: null,
      ...this.drift.get(accountId),
      next: part.length === transfersMax ? BigInt(after + part.length) : null,
    };
  }
}

class FakeUsage extends UsageReader {
  readonly statements: Statements;
  readonly requests: ChargedRequest[] = [];

  constructor(clock: TestClock) {
    super();
    this.statements = new Statements(clock);
  }

  add(charged = SOLD): ChargedRequest {
    const event = anEvent(uuidv7(START_MS + this.requests.length * 1_000));
    const request = { eventId: event.id, accountId: 'acc_1', event, superseded: false, charged };
    this.requests.push(request);
    return request;
  }

  override async charged(_account: null, afterEventId: string, limit: number): Promise<ChargedPage> {
    const requests = this.requests.filter(({ eventId }) => eventId > afterEventId).slice(0, limit);
    this.statements.run(requests.map(({ eventId }) => eventId));
    return { requests, next: requests.length < limit ? null : requests.at(-1)!.eventId };
  }

  override async eventIdAfter(afterEventId: string): Promise<string | null> {
    if (this.statements.away) throw new Error('away');
    return this.requests.find(({ eventId }) => eventId > afterEventId)?.eventId ?? null;
  }

  override find(): never {
    throw new Error('not asked for');
  }

  override byDay(): never {
    throw new Error('not asked for');
  }
}

class FakePrices extends PriceArchive {
  override snapshot(version: number): Promise<CatalogIndex> {
    const { catalog } = aCatalogSnapshot(version);
    const cost = { input: 150_000_000n, cachedInput: 150_000_000n, output: 600_000_000n };
    const channels = catalog.channels.map((channel) => ({
      ...channel,
      cost: { ...cost, source: 'list', asOf: '2026-06-01' },
    }));
    return Promise.resolve(new CatalogIndex({ version, catalog: { ...catalog, channels } }));
  }
}

const anEvent = (requestId: string): UsageEvent => {
  const event = usageEventOf({ accountId: 'acc_1', requestId, cost: SOLD });
  return { ...event, data: { ...event.data, price: PRICE, channel: 'main' } };
};

const sum = (amounts: readonly Nano[]): Nano => amounts.reduce((total, amount) => total + amount, 0n);

describe('ReconcileBooks', () => {
  let clock: PassingClock;
  let books: FakeBooks;
  let usage: FakeUsage;
  let logged: { readonly accountId?: string; readonly eventId?: string; readonly message: string }[];
  let reconcile: ReconcileBooks;
  const running = new AbortController().signal;

  beforeEach(() => {
    clock = new PassingClock(START_MS);
    books = new FakeBooks(clock);
    usage = new FakeUsage(clock);
    logged = [];
    const logger = {
      error: (facts: object, message: string) => void logged.push({ ...facts, message }),
    };
    reconcile = new ReconcileBooks(books, usage, new FakePrices(), clock, logger as never, {
      accounts: 4,
      transfers: 40,
      events: 4,
      // Half of it is three statements, each with its pause.
      budgetMs: 12 * STATEMENT_MS,
    });
    for (let index = 0; index < 30; index += 1) {
      books.transfers.set(`acc_${String(index).padStart(2, '0')}`, [5n]);
      usage.add();
    }
  });

  const accountIds = (): string[] => [...books.transfers.keys()];
  const eventIds = (): string[] => usage.requests.map(({ eventId }) => eventId);
  /** Rounds until both checks have ended a pass that began after this call. */
  const runPass = async (): Promise<Reconciliation> => {
    const sinceMs = clock.nowMs();
    for (let rounds = 0; rounds < 100; rounds += 1) {
      const round = await reconcile.run(running);
      if (round.passedMs.books >= sinceMs && round.passedMs.rating >= sinceMs) return round;
    }
    throw new Error('no end of the pass');
  };
  const NOTHING = { books: 0, rating: 0, failed: { books: 0, rating: 0, clearing: 0 }, errors: [] };

  it('reads page after page until the budget of a round is used up, and goes on there in the next', async () => {
    const first = await reconcile.run(running);
    expect(books.statements.read).toHaveLength(3);
    expect(usage.statements.read).toHaveLength(3);
    expect(clock.monotonicMs() - START_MS).toBe(12 * STATEMENT_MS);
    expect(first).toMatchObject({ ...NOTHING, passedMs: { books: 0, rating: 0 } });
    await reconcile.run(running);
    const third = await reconcile.run(running);
    expect(books.statements.read.flat()).toEqual(accountIds());
    expect(usage.statements.read.flat()).toEqual(eventIds());
    // What was written after the pass had begun may not have been looked at.
    expect(third.passedMs).toEqual({ books: START_MS, rating: START_MS + 6 * STATEMENT_MS });
  });

  it('ends a round with its pass, and begins another in the next', async () => {
    books.transfers.clear();
    usage.requests.length = 0;
    await reconcile.run(running);
    await reconcile.run(running);
    expect(books.statements.read).toEqual([[], []]);
    expect(usage.statements.read).toEqual([[], []]);
  });

  it('stops after the statement that is under way', async () => {
    const stop = new AbortController();
    const { sums } = books;
    books.sums = (...bounds) => {
      stop.abort();
      return sums.apply(books, bounds);
    };
    await reconcile.run(stop.signal);
    expect(books.statements.read).toHaveLength(1);
    expect(usage.statements.read).toHaveLength(0);
  });

  it('stops in a pause', async () => {
    const stop = new AbortController();
    clock.held = true;
    const round = reconcile.run(stop.signal);
    while (clock.waiting === 0) await Promise.resolve();
    stop.abort();
    await round;
    expect(books.statements.read).toHaveLength(1);
    expect(clock.waiting).toBe(0);
  });

  it('counts what differs, until it does no more', async () => {
    books.drift.set('acc_20', { balance: 6n });
    const wrong = usage.requests[20]!;
    usage.requests[20] = { ...wrong, charged: SOLD + 1n };
    expect(await runPass()).toMatchObject({ ...NOTHING, books: 1, rating: 1 });
    await runPass();
    expect(logged.map(({ accountId, eventId }) => eventId ?? accountId)).toEqual(['acc_20', wrong.eventId]);
    books.drift.clear();
    usage.requests[20] = wrong;
    expect(await runPass()).toMatchObject(NOTHING);
  });

  // Guarantee: each figure that decides who may spend is compared with what it is the sum of.
  it.each([
    { balance: 6n },
    { promo: 6n },
    { spent: 1n, byDay: 1n },
    { spent: 1n, charged: 1n },
    { requests: 1n },
    { wrongKey: 'key_1' },
  ])('counts an account with a figure that is not its sum: %p', async (drift) => {
    books.drift.set('acc_20', drift);
    expect(await runPass()).toMatchObject({ ...NOTHING, books: 1 });
  });

  // Guarantee: what can't be checked hides nothing behind it, and is never taken for right.
  describe('where something can’t be read', () => {
    it('looks at all else, and counts and names what it could not look at', async () => {
      const [account, event] = ['acc_09', eventIds()[9]!];
      books.statements.broken.add(account);
      usage.statements.broken.add(event);
      books.drift.set('acc_20', { balance: 6n });
      expect(await runPass()).toMatchObject({
        ...NOTHING,
        books: 1,
        failed: { books: 1, rating: 1, clearing: 0 },
      });
      expect(new Set(books.statements.read.flat())).toEqual(
        new Set(accountIds().filter((id) => id !== account)),
      );
      expect(new Set(usage.statements.read.flat())).toEqual(new Set(eventIds().filter((id) => id !== event)));
      await runPass();
      const failures = logged.filter(({ message }) => message.includes('could not be checked'));
      expect(failures.map(({ accountId, eventId }) => eventId ?? accountId).sort()).toEqual(
        [account, event].sort(),
      );
    });

    it('no longer counts it once it could be read', async () => {
      books.statements.broken.add('acc_09');
      expect((await runPass()).failed.books).toBe(1);
      books.statements.broken.clear();
      expect(await runPass()).toMatchObject(NOTHING);
    });

    it('still counts a difference that was found before it', async () => {
      books.drift.set('acc_09', { balance: 6n });
      expect((await runPass()).books).toBe(1);
      books.statements.broken.add('acc_09');
      expect(await runPass()).toMatchObject({ books: 1, failed: { books: 1 } });
    });

    it('adds up the usage of a page once, though a part of it was read before', async () => {
      usage.statements.broken.add(eventIds()[9]!);
      let { rated } = await reconcile.run(running);
      for (let rounds = 0; rated.throughMs < START_MS + 29_000 && rounds < 100; rounds += 1)
        ({ rated } = await reconcile.run(running));
      expect(rated.margins).toEqual(new Map([['deepseek', { charged: 29n * SOLD, cost: 29n * COST }]]));
    });
  });

  describe('while one check can’t go on', () => {
    it.each(['books', 'rating', 'clearing'] as const)('does the others: %s', async (check) => {
      books.statements.away = check === 'books';
      usage.statements.away = check === 'rating';
      books.totalsAway = check === 'clearing';
      let round = await reconcile.run(running);
      for (let rounds = 0; rounds < 5; rounds += 1) round = await reconcile.run(running);
      expect(round.failed).toEqual({ books: 0, rating: 0, clearing: 0, [check]: 1 });
      expect(round.errors).toHaveLength(1);
      expect(round.totals).toEqual(check === 'clearing' ? null : TOTALS);
      for (const other of ['books', 'rating'] as const)
        if (other === check) expect(round.passedMs[other]).toBe(0);
        else expect(round.passedMs[other]).toBeGreaterThan(0);
    });

    it('gives up nothing, and goes on where it was', async () => {
      await reconcile.run(running);
      for (const { statements } of [books, usage]) statements.away = true;
      await reconcile.run(running);
      expect(await reconcile.run(running)).toMatchObject({ failed: { books: 1, rating: 1 } });
      for (const { statements } of [books, usage]) statements.away = false;
      await reconcile.run(running);
      expect(await reconcile.run(running)).toMatchObject(NOTHING);
      expect(books.statements.read.flat()).toEqual(accountIds());
      expect(usage.statements.read.flat()).toEqual(eventIds());
      expect(logged).toEqual([]);
    });
  });

  describe('a long history', () => {
    const LONG = 'acc_11';
    const lengthen = (transfers: number): void =>
      void books.transfers.set(
        LONG,
        Array.from({ length: transfers }, (_, index) => BigInt(index)),
      );

    it('is summed part by part, through as many rounds as it takes', async () => {
      lengthen(1_000);
      expect(await runPass()).toMatchObject(NOTHING);
      books.drift.set(LONG, { balance: 4n });
      expect(await runPass()).toMatchObject({ ...NOTHING, books: 1 });
    });

    it('may end where a part does', async () => {
      for (const transfers of [10, 50, 90]) {
        lengthen(transfers);
        expect(await runPass()).toMatchObject(NOTHING);
      }
    });

    it('may grow meanwhile', async () => {
      lengthen(1_000);
      books.beforePart = () => void books.transfers.get(LONG)!.push(3n);
      expect(await runPass()).toMatchObject(NOTHING);
      expect(books.transfers.get(LONG)!.length).toBeGreaterThan(1_020);
    });

    it('is given up where a part can’t be read, and nothing else with it', async () => {
      lengthen(1_000);
      books.beforePart = () => books.statements.broken.add(LONG);
      books.drift.set('acc_20', { balance: 6n });
      await reconcile.run(running);
      for (let rounds = 0; rounds < 3; rounds += 1) await reconcile.run(running);
      expect(await reconcile.run(running)).toMatchObject({ ...NOTHING, books: 1, failed: { books: 1 } });
    });
  });

  it('shows in every round what the usage of its pass was sold for and cost, and until when', async () => {
    const rated = (events: number) => ({
      margins: new Map([['deepseek', { charged: BigInt(events) * SOLD, cost: BigInt(events) * COST }]]),
      throughMs: START_MS + (events - 1) * 1_000,
    });
    expect((await reconcile.run(running)).rated).toEqual(rated(12));
    expect((await reconcile.run(running)).rated).toEqual(rated(24));
    expect((await reconcile.run(running)).rated).toEqual(rated(30));
    expect((await reconcile.run(running)).rated).toEqual(rated(12));
  });
});
