import type { Hold } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import fc from 'fast-check';
import type { AccountPage, Settlement } from '../../domain/operations.js';
import { aCharge, aHold, anAdmission, aSettlement } from './builders.js';
import { TEST_LIMITS } from './memory-admission-store.js';
import { ACCOUNTS, type StoreWorld } from './store-world.js';

const KEYS = ['key_1', 'key_2', 'key_3'] as const;

/** Tries of a caller that was not answered. */
const TRIES = 3;

/** Something that one caller does: one operation, or several in a row between which others have their turns. */
export class Step {
  constructor(
    readonly name: string,
    readonly run: (world: StoreWorld) => unknown,
  ) {}

  /** How a failing run shows it. */
  toString(): string {
    return this.name;
  }
}

/** A kind of step whose details are chosen at random. */
const step = <Facts>(
  name: string,
  facts: fc.Arbitrary<Facts>,
  run: (world: StoreWorld, facts: Facts) => unknown,
): fc.Arbitrary<Step> =>
  facts.map((chosen) => new Step(`${name} ${fc.stringify(chosen)}`, (world) => run(world, chosen)));

const sometimes = (oneIn: number): fc.Arbitrary<boolean> =>
  fc.integer({ min: 1, max: oneIn }).map((one) => one === oneIn);

const accountId = fc.constantFrom(...ACCOUNTS);
const keyId = fc.constantFrom(...KEYS);
const index = fc.nat(1_000);

const request = {
  accountId,
  keyId,
  stream: fc.boolean(),
  promptLikely: fc.nat(200),
  completions: fc.integer({ min: 1, max: 3 }),
  // Far more than there is: the denial says what is available.
  ceiling: fc.option(
    fc.oneof({ weight: 5, arbitrary: fc.nat(600) }, { weight: 1, arbitrary: fc.constant(10 ** 9) }),
  ),
  ceilingDefault: fc.constantFrom(0, 100, 400),
};

type Facts<Arbitraries> = {
  readonly [Name in keyof Arbitraries]: Arbitraries[Name] extends fc.Arbitrary<infer Fact> ? Fact : never;
};

const admissionOf = (
  world: StoreWorld,
  { accountId, keyId, stream, promptLikely, completions, ceiling, ceilingDefault }: Facts<typeof request>,
) => {
  const facts = { accountId, keyId, stream, promptLikely, completions, ceiling, ceilingDefault };
  const admission = anAdmission({ ...facts, promptBound: 4 * promptLikely });
  world.admissions.push(admission);
  return admission;
};

const admit = step('admit', fc.record(request), async (world, facts) => {
  const result = await world.store.admit(admissionOf(world, facts));
  if (result.outcome === 'granted') world.holds.push(result.hold);
});

const admitAgain = step('admit again', index, async (world, chosen) => {
  const admission = world.pick(world.admissions, chosen);
  if (admission === undefined) return;
  const result = await world.store.admit(admission);
  // It may have been denied before, or forgotten since.
  if (result.outcome === 'granted') world.holds.push(result.hold);
});

/** Of a request: one that holds or has held, else one of an earlier life, which the store has never seen. */
const whichHold = { index, isKnown: sometimes(10).map((rarely) => !rarely), accountId };

const holdOf = (world: StoreWorld, { index, isKnown, accountId }: Facts<typeof whichHold>): Hold => {
  const hold = isKnown ? world.pick(world.holds, index) : undefined;
  if (hold !== undefined) return hold;
  const admittedAtMs = world.reference.openedMs - 1 - (index % 90) * 1_000;
  const invented = aHold({ accountId, admittedAtMs });
  world.holds.push(invented);
  return invented;
};

const ending = {
  kind: fc.constantFrom('final' as const, 'final' as const, 'lost' as const),
  prompt: fc.nat(900),
  completion: fc.nat(900),
  isUncharged: sometimes(6),
  isWorkedFor: fc.boolean(),
  lapsesInMs: fc.oneof(
    { weight: 9, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1_000, 5_000) },
  ),
};

/** A request ends in one way, however often and by whomever it is settled as `final`. */
const settlementOf = (world: StoreWorld, hold: Hold, facts: Facts<typeof ending>): Settlement => {
  const { kind, prompt, completion, isUncharged, isWorkedFor, lapsesInMs } = facts;
  const settlement = aSettlement(hold, {
    kind,
    outcome: kind === 'lost' ? 'lost' : isUncharged ? 'failed' : 'completed',
    charge: aCharge(prompt, completion, isUncharged ? { cost: 0n, flags: ['uncharged'] } : {}),
    unpaidTokens: isUncharged && isWorkedFor ? prompt + completion : undefined,
  });
  if (kind === 'lost') return settlement;
  const final = world.finals.get(hold.requestId) ?? settlement;
  world.finals.set(hold.requestId, final);
  return { ...final, lapsesAtMs: lapsesInMs === null ? undefined : world.clock.nowMs() + lapsesInMs };
};

const renew = step('renew', fc.record({ ...whichHold, delivered: fc.nat(300) }), (world, facts) =>
  world.store.renew(holdOf(world, facts), facts.delivered),
);

const settle = step('settle', fc.record({ ...whichHold, ...ending }), (world, facts) =>
  world.settle(settlementOf(world, holdOf(world, facts), facts)),
);

const voidOne = step('void', fc.record({ ...whichHold, giveBack: fc.boolean() }), (world, facts) => {
  const hold = facts.isKnown ? world.pick(world.holds, facts.index) : undefined;
  const { requestId, accountId } = hold ?? anAdmission({ accountId: facts.accountId });
  return world.store.void(requestId, accountId, facts.giveBack);
});

/** Tries again while there is no answer. */
const withTries = async <Result>(operation: () => Promise<Result>): Promise<Result> => {
  for (let attempt = 1; ; attempt += 1)
    try {
      return await operation();
    } catch (error) {
      if (!(error instanceof Fault) || attempt === TRIES) throw error;
    }
};

/** An ingress serves a request from its admission to its end, and does not always wait for the store. */
const serve = step(
  'serve',
  fc.record({
    ...request,
    ...ending,
    kind: fc.constant('final' as const),
    renewals: fc.array(fc.nat(300), { maxLength: 2 }),
    how: fc.constantFrom(
      'settled',
      'settled',
      'settled',
      'settled twice at once',
      'settled while renewing',
      'settled while the disk hangs',
      'settled while swept',
      'settled after being swept',
      'settled after its lease',
      'renewed after its lease',
      'left',
      'swept',
    ),
  }),
  async (world, facts) => {
    const { store } = world;
    const result = await store.admit(admissionOf(world, facts));
    if (result.outcome !== 'granted') return;
    const { hold } = result;
    world.holds.push(hold);
    for (const delivered of facts.renewals) await store.renew(hold, delivered);
    const { how } = facts;
    if (how === 'left') return;
    if (how.endsWith('after its lease')) world.clock.advance(TEST_LIMITS.leaseMs);
    if (how === 'renewed after its lease') await store.renew(hold, 300);
    if (how === 'swept') {
      world.clock.advance(TEST_LIMITS.leaseMs);
      return void (await world.sweeper.sweep());
    }
    const hangs = how === 'settled while the disk hangs';
    const settlement = settlementOf(world, hold, hangs ? { ...facts, lapsesInMs: 5_000 } : facts);
    if (hangs) store.slowCommit(20_000);
    const others: Promise<unknown>[] = [];
    if (how === 'settled while renewing') others.push(store.renew(hold, 300));
    if (how === 'settled twice at once') others.push(world.settle(settlement));
    if (how === 'settled while swept' || how === 'settled after being swept') {
      world.clock.advance(TEST_LIMITS.leaseMs);
      const swept = world.sweeper.sweep();
      await (how === 'settled while swept' ? world.turn('the sweeper is on its way') : swept);
      others.push(swept);
    }
    await Promise.allSettled(others.concat(withTries(() => world.settle(settlement))));
  },
);

/** A client is gone before its admission was answered: it is voided behind it. */
const giveUp = step('give up', fc.record(request), async (world, facts) => {
  const admission = admissionOf(world, facts);
  const admitted = world.store.admit(admission);
  const voided = withTries(() => world.store.void(admission.requestId, admission.accountId, true));
  await Promise.allSettled([admitted, voided]);
});

const inspect = step('read', fc.record({ accountId, keyId }), ({ store }, facts) =>
  store.inspect(facts.accountId, facts.keyId, 'read'),
);

/** Money comes in, and the store is told of it: at once, or whenever kept news comes. */
const topUp = step(
  'top up',
  fc.record({ accountId, tokens: fc.integer({ min: 1, max: 3_000 }), isToldAtOnce: fc.boolean() }),
  async (world, { accountId, tokens, isToldAtOnce }) => {
    world.ledger.topUp(accountId, BigInt(tokens) * 1_000n);
    await world.tell([{ ...world.ledger.publication(accountId, []), profile: null }], isToldAtOnce);
  },
);

const changeProfile = step(
  'profile',
  fc.record({
    accountId,
    rpm: fc.integer({ min: 0, max: 8 }),
    tpm: fc.constantFrom(0, 500, 3_000),
    concurrency: fc.integer({ min: 0, max: 4 }),
    status: fc.constantFrom('active' as const, 'active' as const, 'active' as const, 'suspended' as const),
  }),
  ({ ledger }, { accountId, rpm, tpm, concurrency, status }) =>
    ledger.changeProfile(accountId, { limits: { rpm, tpm, concurrency }, status }),
);

/** What an owner may change about a key: revoke it, end it, name its models, cap it. */
const changeKey = step(
  'key',
  fc.record({
    accountId,
    keyId: fc.constantFrom('key_1', 'key_2'),
    status: fc.constantFrom('active' as const, 'active' as const, 'revoked' as const),
    cap: fc.option(fc.nat(2_000)),
    endsInMs: fc.option(fc.nat(100_000)),
    models: fc.option(fc.constantFrom('some-model', 'another-model').map((model) => [model])),
  }),
  ({ ledger, clock }, { accountId, keyId, status, cap, endsInMs, models }) => {
    const change = {
      ...{ status, models },
      cap: cap === null ? null : BigInt(cap) * 1_000n,
      expiresAtMs: endsInMs === null ? null : clock.nowMs() + endsInMs,
    };
    const { keys } = ledger.books(accountId).profile;
    ledger.changeProfile(accountId, {
      keys: keys.map((key) => (key.keyId === keyId ? { ...key, ...change } : key)),
    });
  },
);

const deliver = step(
  'deliver',
  fc.record({
    batchMax: fc.integer({ min: 1, max: 8 }),
    isToldAtOnce: fc.boolean(),
    isAnswerLost: sometimes(4),
  }),
  (world, delivery) => world.deliver(delivery),
);

/** News comes late, in any order, twice, or never. */
const publishKept = step('publish kept', fc.record({ index, again: fc.boolean() }), (world, facts) => {
  const { kept, store } = world;
  if (kept.length === 0) return undefined;
  const publication = kept[facts.index % kept.length]!;
  if (!facts.again) kept.splice(kept.indexOf(publication), 1);
  return store.publish([publication], null);
});

/** News of which only one part was found out, or none. */
const publishPart = step(
  'publish part',
  fc.record({ accountId, part: fc.constantFrom('ledger', 'profile', 'neither') }),
  async (world, { accountId, part }) => {
    const { ledger, profile, ...rest } = world.ledger.publication(accountId, []);
    await world.turn('the news set out');
    await world.store.publish(
      [{ ...rest, ledger: part === 'ledger' ? ledger : null, profile: part === 'profile' ? profile : null }],
      null,
    );
  },
);

/** What was read before the store lost its content is refused. */
const publishOutlived = step('publish outlived', accountId, async ({ ledger, store }, chosen) =>
  store.publish([ledger.publication(chosen, [])], `not ${await store.generation()}`),
);

const refresh = step('refresh', fc.subarray([...ACCOUNTS], { minLength: 1 }), ({ refresher }, accountIds) =>
  refresher.refresh(accountIds),
);

const repair = step('repair', fc.boolean(), (world, all) => {
  if (all) world.repair.readAllAgain();
  return world.repair.run();
});

const sweep = step('sweep', fc.constant('all'), ({ sweeper }) => sweeper.sweep());

const findRequest = step('find request', fc.record({ index, accountId }), (world, facts) => {
  const hold = world.pick(world.holds, facts.index);
  if (hold === undefined) return undefined;
  const { store } = world;
  return Promise.all([store.isHeld(hold.requestId), store.findUsage(facts.accountId, hold.requestId)]);
});

const look = step(
  'look',
  fc.record({
    olderThanMs: fc.nat(100_000),
    cursor: fc.option(fc.nat(20).map(String)),
    limit: fc.integer({ min: 1, max: 5 }),
  }),
  ({ store }, { olderThanMs, cursor, limit }) =>
    Promise.all([
      store.stats(),
      store.stalePending(olderThanMs, cursor, limit),
      store.deliveredPending(olderThanMs, limit),
      store.agedHolds(olderThanMs, 1_000),
      store.ledgersOf(ACCOUNTS),
    ]),
);

const listAccounts = step('accounts', fc.integer({ min: 1, max: 3 }), async ({ store, reference }, limit) => {
  const hot = ACCOUNTS.filter((account) => reference.isHot(account));
  const named = new Set<string>();
  const { loads } = store;
  for (let cursor: string | null = null; ;) {
    const page: AccountPage = await store.accountIds(cursor, limit);
    for (const one of page.accountIds) named.add(one);
    if (page.next === null) break;
    cursor = page.next;
  }
  // Read again in between, the accounts have another order: a pass that was interrupted may miss some.
  if (store.loads !== loads) return;
  store.attempt(() => {
    for (const account of hot) if (!named.has(account)) throw new Error(`${account} is on no page`);
  });
});

const advance = step(
  'advance',
  fc.oneof(fc.nat(3_000), fc.nat(3_000), fc.nat(70_000), fc.nat(TEST_LIMITS.tombstoneMs + 400_000)),
  ({ clock }, ms) => clock.advance(ms),
);

/** The store's process is killed; for a while there is none. */
const crash = step('crash', fc.constantFrom('now' as const, 'after-commit' as const), async (world, when) => {
  world.store.kill(when);
  await world.turn('there is no store');
  world.store.reopen();
  world.repair.readAllAgain();
});

const fullDisk = step('full disk', fc.integer({ min: 1, max: 3 }), ({ store }, commits) =>
  store.failCommits(commits),
);

const slowDisk = step('slow disk', fc.constantFrom(1_000, 5_000, 20_000), ({ store }, ms) =>
  store.slowCommit(ms),
);

const impatience = step('impatience', fc.constant('all'), ({ store }) => store.runOutOfPatience());

/** The store is there again after a crash in the middle of a batch. */
const reopen = step('reopen', fc.constant('if dead'), ({ store }) => store.reopen());

/** Everything that can happen, the more frequent things more often. */
export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  ...(
    [
      [6, serve],
      [3, settle],
      [3, deliver],
      [2, admit],
      [2, refresh],
      [2, advance],
      [2, topUp],
      [1, admitAgain],
      [1, renew],
      [1, voidOne],
      [1, giveUp],
      [1, sweep],
      [1, repair],
      [2, publishKept],
      [1, publishPart],
      [1, publishOutlived],
      [1, changeProfile],
      [1, changeKey],
      [1, inspect],
      [1, findRequest],
      [1, look],
      [1, listAccounts],
      [1, crash],
      [1, reopen],
      [1, fullDisk],
      [1, slowDisk],
      [1, impatience],
    ] as const
  ).map(([weight, arbitrary]) => ({ weight, arbitrary })),
);
