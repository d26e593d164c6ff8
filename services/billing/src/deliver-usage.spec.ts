import { beforeEach, describe, expect, it } from '@jest/globals';
import type { UsageEvent } from '@tunan/contracts';
import { SystemClock } from '@tunan/kernel';
import { createLogger } from '@tunan/service-kit';
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { AccountPublisher } from './account-publisher.js';
import { BillingMetrics } from './billing.metrics.js';
import { BookUsage } from './book-usage.js';
import { DeliverUsage } from './deliver-usage.js';
import { applyPosting } from './domain/apply-posting.js';
import { customerOf, signedAmount } from './domain/transfer.js';
import { FakeAuth } from './testing/fake-auth.js';
import { MemoryLedger } from './testing/memory-ledger.js';
import { usageEventOf } from './testing/usage-events.js';

const ACCOUNT = 'acc_1';
const KEYS = [
  { keyId: 'key_1', capped: true },
  { keyId: 'key_2', capped: false },
];

class World {
  readonly ledger = new MemoryLedger();
  readonly auth = new FakeAuth();
  readonly registry = new Registry();
  readonly deliverUsage: DeliverUsage;

  constructor() {
    const [clock, logger, metrics] = [
      new SystemClock(),
      createLogger('silent'),
      new BillingMetrics(this.registry),
    ];
    const publisher = new AccountPublisher(this.auth, metrics, clock, logger);
    this.deliverUsage = new DeliverUsage(this.ledger, publisher, metrics, clock, logger);
    this.ledger.addAccount(ACCOUNT, KEYS);
  }

  async credit(kind: 'grant' | 'topup', amount: bigint): Promise<void> {
    if (amount === 0n) return;
    await this.ledger.transaction(async (transaction) => {
      const account = (await transaction.lockAccounts([ACCOUNT])).get(ACCOUNT)!;
      const outcome = applyPosting(account, { eventId: `${kind}-1`, accountId: ACCOUNT, kind, amount });
      if ('refused' in outcome) throw new Error(outcome.refused);
      await transaction.write(outcome.change, []);
    });
  }

  get account() {
    return this.ledger.accounts.get(ACCOUNT)!;
  }

  async metric(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
    const metric = await this.registry.getSingleMetric(name)!.get();
    return metric.values.find((value) =>
      Object.entries(labels).every(([label, text]) => value.labels[label] === text),
    )?.value;
  }
}

describe('DeliverUsage', () => {
  let world: World;
  beforeEach(async () => {
    world = new World();
    await world.credit('topup', 1_000_000n);
  });

  describe('book', () => {
    const book = (given: UsageEvent) =>
      new BookUsage(world.deliverUsage, world.ledger).book({ event: given });

    it('applies an event that the ledger does not have, and returns it', async () => {
      const first = event({ cost: 100n });
      expect(await book(first)).toEqual({ event: first });
      expect(world.account.balance).toBe(999_900n);
    });

    // Guarantee: whoever asks learns what is charged, and a second figure for the same request changes nothing.
    it('returns the event that came first, and puts nothing aside', async () => {
      const first = event({ requestId: 'request-1', cost: 100n });
      await world.deliverUsage.deliver([first]);
      expect(await book(event({ requestId: 'request-1', cost: 70n }))).toEqual({ event: first });
      expect(world.account.balance).toBe(999_900n);
      expect(world.ledger.deadLetters).toEqual([]);
    });

    it('takes the place of lost', async () => {
      await world.deliverUsage.deliver([event({ requestId: 'request-1', kind: 'lost', cost: 100n })]);
      const final = event({ requestId: 'request-1', cost: 70n });
      expect(await book(final)).toEqual({ event: final });
      expect(world.account.balance).toBe(999_930n);
    });

    it('returns nothing for an event that is put aside', async () => {
      expect(await book(usageEventOf({ accountId: 'acc_unknown' }))).toEqual({ event: null });
      expect(world.ledger.deadLetters).toMatchObject([{ reason: 'unknown_account' }]);
    });
  });

  const event = (facts: Omit<Parameters<typeof usageEventOf>[0], 'accountId'> = {}) =>
    usageEventOf({ accountId: ACCOUNT, ...facts });

  it('publishes what is true after the commit: balance, version, charges of capped keys, applied ids', async () => {
    const events = [event({ keyId: 'key_1', cost: 100n }), event({ keyId: 'key_2', cost: 50n })];
    await world.deliverUsage.deliver(events);
    expect(world.auth.publications).toEqual([
      {
        accountId: ACCOUNT,
        ledger: { version: 3, balance: 999_850n, spent: 150n, requests: 2, spentByKey: { key_1: 100n } },
        profile: null,
        appliedEventIds: events.map(({ id }) => id),
      },
    ]);
  });

  // Guarantee: an event whose publication was lost leaves the store's pending set with its next delivery.
  it('publishes repeated events again, and changes nothing for them', async () => {
    const events = [event({ cost: 100n })];
    await world.deliverUsage.deliver(events);
    const before = world.account;
    await world.deliverUsage.deliver(events);
    expect(world.account).toEqual(before);
    expect(world.auth.publications[1]).toEqual(world.auth.publications[0]);
    expect(await world.metric('tunan_billing_usage_events_total', { result: 'duplicate' })).toBe(1);
  });

  it('applies an event once that is twice in one delivery', async () => {
    const twin = event({ cost: 100n });
    await world.deliverUsage.deliver([twin, structuredClone(twin)]);
    expect(world.account).toMatchObject({ spent: 100n, requests: 1 });
    expect(await world.metric('tunan_billing_usage_events_total', { result: 'applied' })).toBe(1);
  });

  // Guarantee: delivered means committed, whatever became of the publication.
  it.each([
    ['refuses', () => Promise.reject(new Error('away'))],
    [
      'breaks',
      () => {
        throw new Error('bug');
      },
    ],
  ])('succeeds if the store %s', async (_name, before) => {
    world.auth.before = before;
    await world.deliverUsage.deliver([event({ cost: 100n })]);
    expect(world.account.spent).toBe(100n);
    expect(await world.metric('tunan_billing_publication_failures_total')).toBe(1);
  });

  it('puts aside what it can not apply, and applies the rest', async () => {
    const good = event({ cost: 100n });
    await world.deliverUsage.deliver([
      event({ cost: -5n }),
      usageEventOf({ accountId: 'acc_unknown' }),
      { nonsense: true } as unknown as UsageEvent,
      good,
      { ...good, data: { ...good.data, cost: 999n } },
    ]);
    expect(world.account.spent).toBe(100n);
    expect(world.ledger.deadLetters.map((letter) => letter.reason).sort()).toEqual([
      'conflict',
      'invalid',
      'invalid',
      'unknown_account',
    ]);
    expect(world.auth.publications).toMatchObject([{ accountId: ACCOUNT, appliedEventIds: [good.id] }]);
    expect(await world.metric('tunan_billing_dead_letters_total', { reason: 'invalid' })).toBe(2);
  });

  it('does not take another cost for an event that is recorded', async () => {
    const first = event({ cost: 100n });
    await world.deliverUsage.deliver([first]);
    await world.deliverUsage.deliver([{ ...first, data: { ...first.data, cost: 1n } }]);
    expect(world.account.spent).toBe(100n);
    expect(world.ledger.deadLetters).toMatchObject([{ reason: 'conflict', eventId: first.id }]);
  });

  it('counts losses exactly, in micro-dollars', async () => {
    await world.deliverUsage.deliver([event({ cost: 1_000_700n })]);
    expect(await world.metric('tunan_billing_write_off_micro_usd_total')).toBe(0);
    await world.deliverUsage.deliver([event({ cost: 1_300n })]);
    expect(await world.metric('tunan_billing_write_off_micro_usd_total')).toBe(2);
  });

  it('does nothing for an empty delivery', async () => {
    await world.deliverUsage.deliver([]);
    expect(world.auth.publications).toEqual([]);
  });
});

interface Request {
  readonly keyId: string;
  readonly lost: bigint | undefined;
  readonly final: { readonly cost: bigint; readonly completed: boolean } | undefined;
}

const cost = fc.bigInt(0n, 50n);
const request: fc.Arbitrary<Request> = fc
  .record({
    keyId: fc.constantFrom('key_1', 'key_2'),
    lost: fc.option(cost, { nil: undefined }),
    final: fc.option(fc.record({ cost, completed: fc.boolean() }), { nil: undefined }),
  })
  .filter(({ lost, final }) => lost !== undefined || final !== undefined);

const eventsOf = (requests: readonly Request[]): UsageEvent[] =>
  requests.flatMap(({ keyId, lost, final }, index) => {
    const facts = { accountId: ACCOUNT, requestId: `r${index}`, keyId };
    return [
      ...(lost === undefined ? [] : [usageEventOf({ ...facts, kind: 'lost', cost: lost })]),
      ...(final === undefined
        ? []
        : [usageEventOf({ ...facts, cost: final.cost, outcome: final.completed ? 'completed' : 'aborted' })]),
    ];
  });

/** An order of deliveries, for any number of events: which goes first, which come again and where, where to cut. */
interface Order {
  readonly priorities: readonly number[];
  readonly repeats: readonly { readonly which: number; readonly at: number }[];
  readonly cuts: readonly number[];
}

const REQUESTS_MAX = 8;
const position = fc.nat(1_000);
const order: fc.Arbitrary<Order> = fc.record({
  priorities: fc.array(position, { minLength: 2 * REQUESTS_MAX, maxLength: 2 * REQUESTS_MAX }),
  repeats: fc.array(fc.record({ which: position, at: position }), { maxLength: 6 }),
  cuts: fc.array(position, { maxLength: 6 }),
});

/** Every event at least once, in the given order. */
const deliveriesOf = (
  events: readonly UsageEvent[],
  { priorities, repeats, cuts }: Order,
): UsageEvent[][] => {
  const queue = events
    .map((event, index) => ({ event, priority: priorities[index]! }))
    .sort((a, b) => a.priority - b.priority)
    .map(({ event }) => event);
  for (const { which, at } of repeats)
    queue.splice(at % (queue.length + 1), 0, events[which % events.length]!);
  const borders = [0, ...cuts.map((cut) => cut % queue.length).sort((a, b) => a - b), queue.length];
  return borders.slice(1).map((border, index) => queue.slice(borders[index], border));
};

const runDeliveries = async (
  grant: bigint,
  topup: bigint,
  deliveries: readonly UsageEvent[][],
): Promise<World> => {
  const world = new World();
  await world.credit('grant', grant);
  await world.credit('topup', topup);
  for (const delivery of deliveries) {
    await world.deliverUsage.deliver(delivery);
    checkBooks(world);
  }
  return world;
};

/** What holds after every transaction. */
const checkBooks = ({ ledger, account, auth }: World): void => {
  const mine = ledger.transfers.filter((transfer) => customerOf(transfer) === ACCOUNT);
  const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);
  expect(account.balance >= 0n && account.promo >= 0n && account.promo <= account.balance).toBe(true);
  expect(sum(mine.map(signedAmount))).toBe(account.balance);
  expect(sum(mine.map((transfer) => (signedAmount(transfer) < 0n ? -transfer.promo : transfer.promo)))).toBe(
    account.promo,
  );
  const usage = mine.filter(({ kind }) => kind === 'charge' || kind === 'correction');
  expect(-sum(usage.map(signedAmount))).toBe(account.spent);
  expect(sum([...ledger.keys.values()].map((key) => key.spent))).toBe(account.spent);
  expect(new Set(mine.map(({ eventId, part }) => `${eventId} ${part}`)).size).toBe(mine.length);
  const published = auth.ledgers.get(ACCOUNT);
  if (published !== undefined)
    expect(published).toMatchObject({ version: account.version, balance: account.balance });
};

/** What the events say, whatever their order: per request its final, else its lost. */
const expected = (requests: readonly Request[]) => {
  let [spent, count] = [0n, 0];
  for (const { lost, final } of requests) {
    spent += final?.cost ?? lost ?? 0n;
    if ((final?.cost ?? lost ?? 0n) > 0n || final?.completed === true) count += 1;
  }
  return { spent, requests: count };
};

const lossOf = (world: World): bigint =>
  world.ledger.transfers
    .filter(({ kind }) => kind === 'writeoff')
    .reduce((sum, transfer) => sum + signedAmount(transfer), 0n);

describe('any order and repetition of usage events', () => {
  const scenario = (funds: fc.Arbitrary<bigint>, requestsMax = REQUESTS_MAX) =>
    fc
      .record({
        grant: funds,
        topup: funds,
        requests: fc.array(request, { minLength: 1, maxLength: requestsMax }),
        first: order,
        second: order,
      })
      .map(({ grant, topup, requests, first, second }) => {
        const events = eventsOf(requests);
        return {
          grant,
          topup,
          requests,
          first: deliveriesOf(events, first),
          second: deliveriesOf(events, second),
        };
      });

  it('leads to the same account, with credit enough', () =>
    fc.assert(
      fc.asyncProperty(
        scenario(fc.bigInt(1_000n, 2_000n)),
        async ({ grant, topup, requests, first, second }) => {
          const { spent, requests: count } = expected(requests);
          for (const deliveries of [first, second]) {
            const { account, ledger } = await runDeliveries(grant, topup, deliveries);
            expect(account).toMatchObject({ spent, requests: count, balance: grant + topup - spent });
            for (const keyId of ['key_1', 'key_2'])
              expect(ledger.keys.get(keyId)!.spent).toBe(
                expected(requests.filter((each) => each.keyId === keyId)).spent,
              );
          }
        },
      ),
      { numRuns: 300 },
    ));

  // Credit that runs out makes the balance depend on who came first; what is owed and lost together does not.
  it('leads to the same sum of balance and loss, without', () =>
    fc.assert(
      fc.asyncProperty(scenario(fc.bigInt(0n, 60n)), async ({ grant, topup, requests, first, second }) => {
        const { spent, requests: count } = expected(requests);
        for (const deliveries of [first, second]) {
          const world = await runDeliveries(grant, topup, deliveries);
          expect(world.account).toMatchObject({ spent, requests: count });
          expect(world.account.balance - lossOf(world)).toBe(grant + topup - spent);
        }
      }),
      { numRuns: 300 },
    ));

  it('leads to the same balance for one request, whatever its credit', () =>
    fc.assert(
      fc.asyncProperty(scenario(fc.bigInt(0n, 40n), 1), async ({ grant, topup, first, second }) => {
        const [one, other] = [
          await runDeliveries(grant, topup, first),
          await runDeliveries(grant, topup, second),
        ];
        expect(one.account.balance).toBe(other.account.balance);
        expect(one.account.promo).toBe(other.account.promo);
      }),
      { numRuns: 300 },
    ));

  it('changes nothing more once everything has been delivered', () =>
    fc.assert(
      fc.asyncProperty(scenario(fc.bigInt(0n, 60n)), async ({ grant, topup, first, second }) => {
        const world = await runDeliveries(grant, topup, first);
        const before = { account: world.account, transfers: world.ledger.transfers.length };
        for (const delivery of second) await world.deliverUsage.deliver(delivery);
        expect({ account: world.account, transfers: world.ledger.transfers.length }).toEqual(before);
      }),
      { numRuns: 200 },
    ));

  it('spends promotional credit to the end before paid credit', () =>
    fc.assert(
      fc.asyncProperty(
        fc.bigInt(0n, 100n),
        fc.bigInt(0n, 100n),
        fc.array(cost, { minLength: 1, maxLength: 10 }),
        async (grant, topup, costs) => {
          const events = costs.map((amount, index) =>
            usageEventOf({ accountId: ACCOUNT, requestId: `r${index}`, cost: amount }),
          );
          const world = await runDeliveries(grant, topup, [events]);
          let promoLeft = grant;
          for (const { kind, amount, promo } of world.ledger.transfers) {
            if (kind !== 'charge') continue;
            expect(promo).toBe(amount < promoLeft ? amount : promoLeft);
            promoLeft -= promo;
          }
        },
      ),
      { numRuns: 200 },
    ));
});
