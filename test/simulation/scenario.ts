import { Chance } from './chance.js';
import { NO_FAULTS, type LinkFaults } from './link.js';
import type { Price, ProviderPlan, Report, ReportedUsage, RequestPlan } from './request-plan.js';

/** Which services share a process. */
export type Topology = 'one process' | 'a process each';

/** An account at the start of a run. */
export interface AccountPlan {
  readonly accountId: string;
  readonly credit: bigint;
  readonly keys: readonly { readonly keyId: string; readonly cap: bigint | null }[];
}

/** Money from outside the request path. A payment's notice may come more than once. */
export interface PostingPlan {
  readonly eventId: string;
  readonly accountId: string;
  readonly kind: 'topup' | 'refund' | 'adjustment';
  readonly amount: bigint;
  readonly atMs: readonly number[];
}

/** A time in which nothing passes over a link. */
export interface Outage {
  readonly link: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** What happens to the store's file when its process dies. */
export type FileFate = 'kept' | 'older' | 'lost';

/** Everything that a seed decides beforehand. Times are from the start, in milliseconds. */
export interface Scenario {
  readonly topology: Topology;
  readonly accounts: readonly AccountPlan[];
  readonly requests: readonly RequestPlan[];
  readonly postings: readonly PostingPlan[];
  readonly outages: readonly Outage[];
  /** Processes that are killed, by one of the services in them. */
  readonly kills: readonly { readonly service: string; readonly atMs: number }[];
  readonly fullDiskAtMs: readonly number[];
  readonly priceChangesAtMs: number | null;
  readonly copyFileAtMs: readonly number[];
  readonly fileFate: FileFate;
  readonly tombstoneMs: number;
  /** Shorter than in production where a run would have nothing to do but wait; in the same order of size. */
  readonly leaseMs: number;
  /** Between processes. */
  readonly network: LinkFaults;
  /** Between a process and its store or database. */
  readonly local: LinkFaults;
  /** After this time nothing fails any more. */
  readonly faultsEndMs: number;
}

/** Requests and faults begin within this time. */
const BUSY_MS = 60_000;

export const LINKS = [
  'gateway-auth',
  'auth-store',
  'auth-postgres',
  'auth-billing',
  'billing-postgres',
  'billing-auth',
] as const;

export type LinkName = (typeof LINKS)[number] | 'account-billing';

/** Price before and after the change. */
export const PRICES: readonly [Price, Price] = [
  { input: 1_000_000_000n, cachedInput: 100_000_000n, output: 2_000_000_000n },
  { input: 3_000_000_000n, cachedInput: 300_000_000n, output: 7_000_000_000n },
];

const IMPOSSIBLE: readonly ReportedUsage[] = [
  { prompt: -1_000, cachedPrompt: 0, completion: 10, reasoning: 0 },
  { prompt: 100, cachedPrompt: 0, completion: -50, reasoning: 0 },
  { prompt: Number.NaN, cachedPrompt: 0, completion: 10, reasoning: 0 },
  { prompt: 100, cachedPrompt: 0, completion: 1e12, reasoning: 0 },
  { prompt: 100, cachedPrompt: 400, completion: 10, reasoning: 0 },
  { prompt: 3.5, cachedPrompt: 0, completion: 10, reasoning: 0 },
  { prompt: Number.POSITIVE_INFINITY, cachedPrompt: 0, completion: 1, reasoning: 0 },
];

const REPORTS: readonly Report[] = [
  ...(['real', 'real', 'real', 'real'] as const),
  ...(['missing', 'zero', 'above', 'above', 'impossible'] as const),
];

const ACCOUNTS = ['acc_1', 'acc_2'] as const;

/** Draws a scenario. Each seed has some kinds of trouble and not others, so that rare combinations come up. */
export const drawScenario = (seed: number, topology: Topology): Scenario => {
  const chance = new Chance(seed);
  const calm = chance.happens(0.15);
  const often = (probability: number): boolean => !calm && chance.happens(probability);
  const troubles = {
    network: often(0.6),
    kills: often(0.5),
    outages: often(0.5),
    fullDisk: often(0.15),
    fileLost: often(0.25),
    fileOlder: often(0.35),
  };
  const slow = troubles.network && chance.happens(0.5) ? 0.05 : 0;
  const network = troubles.network
    ? { lostRequest: 0.03, lostReply: 0.05, duplicate: 0.05, slow, kill: 0 }
    : NO_FAULTS;
  const kill = troubles.kills ? chance.pick([0.001, 0.004]) : 0;
  return {
    topology,
    accounts: drawAccounts(chance),
    requests: Array.from({ length: chance.whole(5, 16) }, (_, index) => drawRequest(chance, topology, index)),
    postings: drawPostings(chance),
    outages: troubles.outages ? drawOutages(chance, topology) : [],
    kills: troubles.kills ? drawKills(chance) : [],
    fullDiskAtMs: troubles.fullDisk ? times(chance, 3) : [],
    priceChangesAtMs: chance.happens(0.3) ? chance.between(0, BUSY_MS) : null,
    copyFileAtMs: times(chance, 3),
    fileFate: troubles.fileLost ? 'lost' : troubles.fileOlder ? 'older' : 'kept',
    tombstoneMs: chance.pick([60_000, 3_600_000]),
    // In one process nothing but a renewal that comes too late makes `final` come after `lost`.
    leaseMs: topology === 'one process' ? 8_000 : chance.pick([8_000, 20_000]),
    network: { ...network, kill },
    local: {
      lostRequest: network.lostRequest / 4,
      lostReply: network.lostReply / 4,
      duplicate: 0,
      slow: slow / 4,
      kill,
    },
    faultsEndMs: BUSY_MS + 20_000,
  };
};

const times = (chance: Chance, most: number): readonly number[] =>
  Array.from({ length: chance.whole(1, most) }, () => chance.between(0, BUSY_MS));

/** Credit for between none and all of the requests. */
const drawAccounts = (chance: Chance): readonly AccountPlan[] =>
  ACCOUNTS.map((accountId, index) => ({
    accountId,
    credit: BigInt(chance.whole(0, 12)) * 1_000_000n,
    keys: [
      { keyId: `key_${index}a`, cap: null },
      { keyId: `key_${index}b`, cap: BigInt(chance.whole(1, 6)) * 1_000_000n },
    ],
  }));

const drawRequest = (chance: Chance, topology: Topology, index: number): RequestPlan => {
  const account = chance.whole(0, ACCOUNTS.length - 1);
  const completions = chance.pick([1, 1, 1, 3]);
  const promptLikely = chance.whole(10, 400);
  return {
    requestId: `request-${index}`,
    accountId: ACCOUNTS[account]!,
    keyId: `key_${account}${chance.pick(['a', 'a', 'b'])}`,
    // Many requests at the same time are what a balance has to stand.
    atMs: chance.happens(0.5) ? chance.whole(0, 5) * 10_000 : chance.between(0, BUSY_MS),
    gateway: topology === 'one process' ? 'gateway-1' : chance.pick(['gateway-1', 'gateway-2']),
    stream: chance.happens(0.7),
    includeUsage: chance.happens(0.5),
    completions,
    promptLikely,
    promptBound: promptLikely * 4,
    ceiling: chance.happens(0.5) ? chance.whole(1, 900) : null,
    leavesAfterMs: chance.happens(0.2) ? chance.between(0, 20_000) : null,
    provider: drawProvider(chance, promptLikely * completions),
  };
};

const drawProvider = (chance: Chance, promptLikely: number): ProviderPlan => {
  const prompt = Math.floor(promptLikely * chance.between(0.6, 1.25));
  const paceMs = chance.pick([20, 1_000, 9_000]);
  return {
    refuses: chance.happens(0.1),
    answersAfterMs: chance.between(1, 3_000),
    chunks: Array.from({ length: chance.whole(0, 6) }, () => ({
      afterMs: chance.between(0, paceMs),
      tokens: chance.whole(0, 200),
    })),
    whole: chance.happens(0.85),
    report: chance.pick(REPORTS),
    prompt,
    cachedPrompt: chance.whole(0, prompt),
    impossible: chance.pick(IMPOSSIBLE),
    drains: chance.happens(0.5),
  };
};

const drawPostings = (chance: Chance): readonly PostingPlan[] =>
  Array.from({ length: chance.pick([0, 1, 2, 5]) }, (_, index): PostingPlan => {
    const kind = chance.pick(['topup', 'topup', 'refund', 'adjustment'] as const);
    const amount = BigInt(chance.whole(1, 6_000_000));
    const takes = kind === 'refund' || (kind === 'adjustment' && chance.happens(0.5));
    return {
      eventId: `posting-${index}`,
      accountId: chance.pick(ACCOUNTS),
      kind,
      amount: takes ? -amount : amount,
      // Half of them when most requests are running.
      atMs: chance.happens(0.5)
        ? [chance.whole(0, 5) * 10_000 + chance.between(0, 3_000), ...times(chance, 2)]
        : times(chance, 3),
    };
  });

const drawOutages = (chance: Chance, topology: Topology): readonly Outage[] =>
  Array.from({ length: chance.whole(1, 2) }, () => {
    const fromMs = chance.between(0, BUSY_MS - 10_000);
    // On the way of renewals more often: it is what makes a lease run out under a stream that goes on.
    const renewals = topology === 'one process' ? 'auth-store' : 'gateway-auth';
    const link = chance.happens(0.3) ? renewals : chance.pick(LINKS);
    return { link, fromMs, toMs: fromMs + chance.between(1_000, 35_000) };
  });

const drawKills = (chance: Chance): Scenario['kills'] =>
  Array.from({ length: chance.whole(1, 3) }, () => ({
    service: chance.pick(['gateway-1', 'gateway-2', 'auth', 'billing']),
    atMs: chance.between(0, BUSY_MS),
  }));
