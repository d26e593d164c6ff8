import { expect } from '@jest/globals';
import type { Hold, Publication } from '@tunan/contracts';
import fc from 'fast-check';
import type { Charge } from '../../domain/charge.js';
import type { AccountPage } from '../../domain/operations.js';
import type { AdmissionStore } from '../admission-store.js';
import { aCharge, aHold, anAdmission, aSettlement } from './builders.js';
import type { ReferenceLedger } from './reference-ledger.js';
import type { ReferenceStore } from './reference-store.js';
import type { StoreHarness } from './store-harness.js';

export const ACCOUNTS = ['acc_1', 'acc_2'] as const;
const KEYS = ['key_1', 'key_2', 'key_3'] as const;

/** What a run knows beside the store under test. */
export interface World {
  readonly reference: ReferenceStore;
  readonly ledger: ReferenceLedger;
  /** Requests of this run, granted or not. */
  readonly admissions: ReturnType<typeof anAdmission>[];
  readonly holds: Hold[];
  /** Publications that are under way: they may come late, in any order, twice, or never. */
  readonly kept: Publication[];
}

type Command = fc.AsyncCommand<World, StoreHarness>;

const command = (
  name: string,
  run: (world: World, store: AdmissionStore, harness: StoreHarness) => Promise<void>,
): Command => ({
  check: () => true,
  run: async (world, harness) => {
    await run(world, harness.store, harness);
    await compare(world, harness.store);
  },
  toString: () => name,
});

/** Everything that can be seen of both must be the same, and what is left must never be more than there is. */
const compare = async ({ reference, ledger }: World, store: AdmissionStore): Promise<void> => {
  const held = [...reference.requests.values()].filter(({ state }) => state === 'held').length;
  const pending = [...reference.requests.values()].filter((request) => request.pending).length;
  const outbox = await store.readOutbox(0, 1_000);
  expect(outbox.map(({ seq, event }) => ({ seq, eventId: event.id }))).toEqual(reference.outbox());
  expect(await store.stats()).toMatchObject({
    holds: held,
    pending,
    tombstones: reference.requests.size - held,
    outboxDepth: outbox.length,
  });
  for (const accountId of ACCOUNTS) {
    if (!reference.isHot(accountId)) continue;
    const { ledger: known } = reference.account(accountId);
    const left = known!.balance - reference.sum(accountId, null, 'pending');
    const seen = await store.inspect(accountId, 'key_1', 'nothing');
    expect(seen).toMatchObject({
      outcome: 'known',
      left,
      spent: known!.spent + (known!.balance - left),
    });
    expect(left <= trueBalance(reference, ledger, accountId)).toBe(true);
  }
};

/** Credit that remains when everything that was settled has been applied. */
const trueBalance = (reference: ReferenceStore, ledger: ReferenceLedger, accountId: string): bigint => {
  let balance = ledger.books(accountId).balance;
  for (const [requestId, { hold, state, charge }] of reference.requests) {
    if (hold.accountId !== accountId || charge === null || ledger.applied.has(`${requestId}:${state}`))
      continue;
    const replaced = state === 'final' ? (ledger.applied.get(`${requestId}:lost`)?.data.cost ?? 0n) : 0n;
    balance -= charge.cost - replaced;
  }
  return balance;
};

const at = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(1, list.length)];

type Named = { readonly hold: { readonly requestId: string } };

const byRequest = (a: Named, b: Named): number => a.hold.requestId.localeCompare(b.hold.requestId);

const accountId = fc.constantFrom(...ACCOUNTS);
const keyId = fc.constantFrom(...KEYS);

const admit: fc.Arbitrary<Command> = fc
  .record({
    accountId,
    keyId,
    promptLikely: fc.nat(200),
    completions: fc.integer({ min: 1, max: 3 }),
    ceiling: fc.option(fc.integer({ min: 0, max: 600 })),
    ceilingDefault: fc.constantFrom(0, 100, 400),
  })
  .map((facts) =>
    command(`admit ${JSON.stringify(facts)}`, async (world, store) => {
      const request = anAdmission({ ...facts, promptBound: 4 * facts.promptLikely });
      const result = await store.admit(request);
      expect(result).toEqual(world.reference.admit(request));
      world.admissions.push(request);
      if (result.outcome === 'granted') world.holds.push(result.hold);
    }),
  );

const admitAgain = fc.nat().map((index) =>
  command(`admit again ${index}`, async (world, store) => {
    const request = at(world.admissions, index);
    if (request === undefined) return;
    const result = await store.admit(request);
    expect(result).toEqual(world.reference.admit(request));
    // The request may have been denied before, or forgotten since.
    if (result.outcome === 'granted') world.holds.push(result.hold);
  }),
);

/** A hold that the store gave, or one of an earlier life that it has never seen. */
const holdOf = (world: World, index: number, known: boolean, account: string): Hold => {
  const hold = known ? at(world.holds, index) : undefined;
  if (hold !== undefined) return hold;
  const invented = aHold({ accountId: account, admittedAtMs: world.reference.nowMs - (index % 90) * 1_000 });
  world.holds.push(invented);
  return invented;
};

const whichHold = { index: fc.nat(1_000), known: fc.boolean(), account: accountId };

const renew = fc
  .record({ ...whichHold, delivered: fc.nat(300) })
  .map(({ index, known, account, delivered }) =>
    command(`renew ${index} ${known} ${account} ${delivered}`, async (world, store) => {
      const hold = holdOf(world, index, known, account);
      expect(await store.renew(hold, delivered)).toEqual(world.reference.renew(hold, delivered));
    }),
  );

/** What the ledger says of an uncertain charge: it stands, or another one was made before. */
const bookedInstead = (charge: Charge, index: number): Charge =>
  index % 2 === 0 ? charge : { ...charge, cost: charge.cost + BigInt(index) * 1_000n };

const settle = fc
  .record({
    ...whichHold,
    known: fc.integer({ min: 0, max: 9 }).map((one) => one > 0),
    kind: fc.constantFrom('final' as const, 'final' as const, 'lost' as const),
    prompt: fc.nat(900),
    completion: fc.nat(900),
    uncharged: fc.integer({ min: 0, max: 5 }).map((one) => one === 0),
  })
  .map(({ index, known, account, kind, prompt, completion, uncharged }) =>
    command(
      `settle ${kind} ${index} ${known} ${account} ${prompt}+${completion} ${uncharged}`,
      async (world, store) => {
        const hold = holdOf(world, index, known, account);
        const settlement = aSettlement(hold, {
          kind,
          outcome: kind === 'lost' ? 'lost' : uncharged ? 'failed' : 'completed',
          charge: aCharge(prompt, completion, uncharged ? { cost: 0n, flags: ['uncharged'] } : {}),
        });
        const result = await store.settle(settlement);
        expect(result).toEqual(world.reference.settle(settlement));
        if (result.outcome !== 'uncertain') return;
        const booked = { ...settlement, charge: bookedInstead(result.charge, index), booked: true };
        expect(await store.settle(booked)).toEqual(world.reference.settle(booked));
      },
    ),
  );

const sweep = fc.constant(
  command('sweep', async (world, store) => {
    const expired = await store.expiredHolds(1_000);
    // Leases that end at the same moment may be named in any order.
    expect([...expired].sort(byRequest)).toEqual(world.reference.expired().sort(byRequest));
    for (const { hold, deliveredTokens } of expired) {
      const charge = aCharge(hold.promptLikely, deliveredTokens, { flags: ['estimated'] });
      const settlement = aSettlement(hold, { kind: 'lost', outcome: 'lost', charge, served: null });
      expect(await store.settle(settlement)).toEqual(world.reference.settle(settlement));
    }
  }),
);

const voidOne = fc
  .record({ index: fc.nat(1_000), known: fc.boolean(), account: accountId, giveBack: fc.boolean() })
  .map(({ index, known, account, giveBack }) =>
    command(`void ${index} ${known} ${account} ${giveBack}`, async (world, store) => {
      const hold = known ? at(world.holds, index) : undefined;
      const request = hold ?? anAdmission({ accountId: account });
      if (hold === undefined) world.admissions.push(request as ReturnType<typeof anAdmission>);
      await store.void(request.requestId, request.accountId, giveBack);
      world.reference.void(request.requestId, request.accountId, giveBack);
    }),
  );

const inspect = fc.record({ account: accountId, key: keyId }).map(({ account, key }) =>
  command(`read ${account} ${key}`, async ({ reference }, store) => {
    const state = reference.account(account);
    const seen = await store.inspect(account, key, 'read');
    if (!reference.isHot(account)) {
      reference.wanted.add(account);
      expect(seen).toEqual({ outcome: 'cold' });
      return;
    }
    state.reads.push(reference.nowMs);
    const counted = state.reads.filter(
      (ms) => Math.floor(ms / 1000) > Math.floor(reference.nowMs / 1000) - 60,
    );
    expect(seen).toMatchObject({
      keyActive: state.profile!.keys.some(
        ({ keyId: one, status, expiresAtMs }) =>
          one === key && status === 'active' && (expiresAtMs ?? Infinity) > reference.nowMs,
      ),
      limits: reference.limits(account, key),
      retryAfterMs: counted.length <= 120 ? null : expect.any(Number),
    });
  }),
);

const topUp = fc
  .record({ account: accountId, tokens: fc.integer({ min: 1, max: 3_000 }) })
  .map(({ account, tokens }) =>
    command(`top up ${account} ${tokens}`, async ({ ledger }) =>
      ledger.topUp(account, BigInt(tokens) * 1_000n),
    ),
  );

const changeProfile = fc
  .record({
    account: accountId,
    rpm: fc.integer({ min: 0, max: 8 }),
    tpm: fc.constantFrom(0, 500, 3_000),
    concurrency: fc.integer({ min: 0, max: 4 }),
    status: fc.constantFrom('active' as const, 'active' as const, 'active' as const, 'suspended' as const),
  })
  .map(({ account, rpm, tpm, concurrency, status }) =>
    command(`profile ${account} ${rpm}/${tpm}/${concurrency} ${status}`, async ({ ledger }) =>
      ledger.changeProfile(account, { limits: { rpm, tpm, concurrency }, status }),
    ),
  );

/** What an owner may change about a key: revoke it, end it, name its models, cap it. */
const changeKey = fc
  .record({
    account: accountId,
    key: fc.constantFrom('key_1', 'key_2'),
    status: fc.constantFrom('active' as const, 'active' as const, 'revoked' as const),
    cap: fc.option(fc.integer({ min: 0, max: 2_000 }).map((tokens) => BigInt(tokens) * 1_000n)),
    endsInMs: fc.option(fc.nat(100_000)),
    models: fc.option(fc.constantFrom('some-model', 'another-model').map((model) => [model])),
  })
  .map(({ account, key, status, cap, endsInMs, models }) =>
    command(`key ${account} ${key} ${status} ${cap} ${endsInMs} ${models}`, async ({ ledger, reference }) => {
      const expiresAtMs = endsInMs === null ? null : reference.nowMs + endsInMs;
      const keys = ledger
        .books(account)
        .profile.keys.map((one) => (one.keyId === key ? { ...one, status, cap, expiresAtMs, models } : one));
      ledger.changeProfile(account, { keys });
    }),
  );

/** The relay and billing: some events are applied, perhaps acknowledged, and the news set out. */
const deliver = fc
  .record({ limit: fc.integer({ min: 1, max: 8 }), acknowledged: fc.boolean() })
  .map(({ limit, acknowledged }) =>
    command(`deliver ${limit} ${acknowledged}`, async (world, store) => {
      const entries = await store.readOutbox(0, limit);
      for (const { event } of entries) world.ledger.apply(event);
      for (const account of ACCOUNTS) {
        const ids = entries.filter(({ event }) => event.subject === account).map(({ event }) => event.id);
        if (ids.length > 0) world.kept.push({ ...world.ledger.publication(account, ids), profile: null });
      }
      const last = entries.at(-1);
      if (last === undefined || !acknowledged) return;
      await store.ackOutbox(0, last.seq);
      world.reference.ack(last.seq);
    }),
  );

const publishKept = fc.record({ index: fc.nat(1_000), again: fc.boolean() }).map(({ index, again }) =>
  command(`publish kept ${index} ${again}`, async (world, store) => {
    const publication = at(world.kept, index);
    if (publication === undefined) return;
    if (!again) world.kept.splice(world.kept.indexOf(publication), 1);
    expect(await store.publish([publication], null)).toBe(true);
    world.reference.publish([publication], false);
  }),
);

/** Reads an account from the ledger and publishes it. */
export const refreshOne = async (account: string, world: World, store: AdmissionStore): Promise<void> => {
  const pending = await store.pendingOf([account]);
  const expected = [...world.reference.requests.entries()]
    .filter(([, request]) => request.pending && request.hold.accountId === account)
    .map(([requestId, { state }]) => `${requestId}:${state}`);
  expect(pending.map(({ eventId }) => eventId).sort()).toEqual(expected.sort());
  const publication = world.ledger.publication(
    account,
    pending.map(({ eventId }) => eventId),
  );
  expect(await store.publish([publication], await store.generation())).toBe(true);
  world.reference.publish([publication], true);
};

/** News of which only one part was found out, or none. */
const publishPart = fc
  .record({ account: accountId, part: fc.constantFrom('ledger', 'profile', 'neither') })
  .map(({ account, part }) =>
    command(`publish ${part} of ${account}`, async (world, store) => {
      const whole = world.ledger.publication(account, []);
      const publication = {
        ...whole,
        ledger: part === 'ledger' ? whole.ledger : null,
        profile: part === 'profile' ? whole.profile : null,
      };
      expect(await store.publish([publication], null)).toBe(true);
      world.reference.publish([publication], false);
    }),
  );

/** What was read before the store lost its content is refused, and changes nothing. */
const publishOutlived = accountId.map((account) =>
  command(`publish outlived ${account}`, async ({ ledger }, store) => {
    const publication = ledger.publication(account, []);
    expect(await store.publish([publication], `not ${await store.generation()}`)).toBe(false);
  }),
);

/** The relay acknowledges as far as a delivery went. */
const acknowledge = fc.nat(8).map((count) =>
  command(`acknowledge ${count}`, async (world, store) => {
    const entries = await store.readOutbox(0, count);
    const last = entries.at(-1);
    if (last === undefined) return;
    for (const { event } of entries) world.ledger.apply(event);
    await store.ackOutbox(0, last.seq);
    world.reference.ack(last.seq);
  }),
);

const findUsage = fc.record({ index: fc.nat(1_000), account: accountId }).map(({ index, account }) =>
  command(`find usage ${index} ${account}`, async ({ reference }, store) => {
    const found = at([...reference.requests.values()], index);
    if (found === undefined) return;
    const { hold, state, seq, acked } = found;
    const event = await store.findUsage(account, hold.requestId);
    const isThere = seq > 0 && !acked && hold.accountId === account;
    expect(event?.id ?? null).toBe(isThere ? `${hold.requestId}:${state}` : null);
  }),
);

const stale = fc
  .record({ olderThanMs: fc.nat(100_000), limit: fc.integer({ min: 1, max: 5 }) })
  .map(({ olderThanMs, limit }) =>
    command(`stale ${olderThanMs} ${limit}`, async ({ reference }, store) => {
      const expected = reference.stale(olderThanMs);
      const seen = (await store.stalePending(olderThanMs, limit)).map(({ eventId }) => eventId);
      expect(seen).toHaveLength(Math.min(limit, expected.length));
      expect(expected).toEqual(expect.arrayContaining(seen));
    }),
  );

const listAccounts = fc.integer({ min: 1, max: 3 }).map((limit) =>
  command(`accounts ${limit}`, async ({ reference }, store) => {
    const named = new Set<string>();
    for (let cursor: string | null = null; ;) {
      const page: AccountPage = await store.accountIds(cursor, limit);
      for (const one of page.accountIds) named.add(one);
      if (page.next === null) break;
      cursor = page.next;
    }
    for (const account of ACCOUNTS) if (reference.isHot(account)) expect(named.has(account)).toBe(true);
  }),
);

const refresh = accountId.map((account) =>
  command(`refresh ${account}`, (world, store) => refreshOne(account, world, store)),
);

const advance = fc.oneof(fc.nat(3_000), fc.nat(70_000), fc.nat(4_000_000)).map((ms) =>
  command(`advance ${ms}`, async ({ reference }, _store, harness) => {
    await harness.advance(ms);
    reference.nowMs += ms;
  }),
);

const restart = fc.constant(
  command('restart', async ({ reference }, _store, harness) => {
    await harness.restart();
    reference.restart();
  }),
);

/**
 * What was forgotten is not settled again: a settlement is promised once per request for as long as its tombstone
 * lasts, and after that the ledger alone knows.
 */
const purge = fc.constant(
  command('purge', async (world, store) => {
    const before = new Set(world.reference.requests.keys());
    expect(await store.purge(10_000)).toBe(world.reference.purge());
    const forgotten = ({ requestId }: { requestId: string }): boolean =>
      before.has(requestId) && !world.reference.requests.has(requestId);
    for (const list of [world.holds, world.admissions])
      for (let index = list.length - 1; index >= 0; index -= 1)
        if (forgotten(list[index]!)) list.splice(index, 1);
  }),
);

const takeWanted = fc.constant(
  command('take wanted', async ({ reference }, store) => {
    expect([...(await store.takeWanted(100))].sort()).toEqual([...reference.wanted].sort());
    reference.wanted.clear();
  }),
);

/** Everything that can happen to a store, the more frequent things more often. */
export const STORE_COMMANDS: readonly fc.Arbitrary<Command>[] = [
  admit,
  admit,
  admitAgain,
  renew,
  settle,
  settle,
  sweep,
  voidOne,
  inspect,
  topUp,
  changeProfile,
  changeKey,
  deliver,
  publishKept,
  publishPart,
  publishOutlived,
  acknowledge,
  findUsage,
  stale,
  listAccounts,
  refresh,
  advance,
  restart,
  purge,
  takeWanted,
];
