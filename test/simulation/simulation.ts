import { checkAtRest, checkGrant, LedgerWatch, Violation } from './invariants.js';
import { endOf } from './oracle.js';
import type { Story } from './request-plan.js';
import { drawScenario, type Topology } from './scenario.js';
import type { Held } from './store-witness.js';
import { World } from './world.js';

/** Everything that has to come up in enough of the runs, or the runs prove less than they seem to. */
export const SIGHTS = [
  'a whole answer',
  'a charge',
  'a charge above the hold',
  'a charge that the ledger decides',
  'a settlement that came too late',
  'no credit',
  'a cold account',
  'an error after the admission',
  'a client that left',
  'an answer that went on without its client',
  'a cut stream',
  'a dead gateway',
  'a charge of a lost request',
  'a late final',
  'a stream that the store has ended',
  'a settlement that nobody was told of',
  'a settlement lost with its file',
  'the store file replaced',
  'a write-off',
  'a payment',
  'a refusal to take credit back',
  'two prices',
] as const;

export type Sight = (typeof SIGHTS)[number];

/** What a run came to. */
export interface RunReport {
  readonly seed: number;
  /** Same seed, same hash. */
  readonly hash: string;
  readonly trace: readonly string[];
  readonly seen: ReadonlySet<Sight>;
}

/** Time to come to rest, once nothing fails any more: leases run out, pauses end, accounts are read again. */
const REST_MS = 60_000;

/** Longest wait for an account that has to be read, and the way there and back. */
const LOOK_MS = 1_000;

/** Most steps of a run; beyond, something repeats itself without an end. */
const STEPS_MAX = 100_000;

/**
 * Lets everything that can go on at this moment go on: the next tick comes when no promise has a callback left to run. A
 * turn of the event loop would do as well, and cost a third of all time.
 */
const settleDown = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

/**
 * Runs the settlement core once: its scenario and every choice on the way are drawn from the seed.
 * @throws Violation if a promise was broken
 */
export const simulate = async (
  seed: number,
  topology: Topology,
  options: { readonly keepTrace?: boolean } = {},
): Promise<RunReport> => {
  const scenario = drawScenario(seed, topology);
  let violation: unknown;
  const onGrant = (hold: Held): void => {
    try {
      checkGrant(world, hold);
    } catch (error) {
      // Thrown here it would be an answer of the store; the next step throws it.
      violation ??= error;
    }
  };
  const world = new World(seed, scenario, options.keepTrace === true, onGrant);
  const watch = new LedgerWatch(world);
  try {
    await world.grantOpeningCredit();
    world.begin();
    let steps = 0;
    const run = async (untilMs: number): Promise<void> => {
      for (; world.time.step(world.startMs + untilMs); steps += 1) {
        await settleDown();
        if (violation !== undefined) throw violation;
        watch.check();
        if (steps > STEPS_MAX) throw new Violation(`no rest after ${STEPS_MAX} steps`);
      }
    };
    await run(scenario.faultsEndMs);
    world.rest();
    await run(scenario.faultsEndMs + REST_MS);
    const looks = world.look();
    await run(scenario.faultsEndMs + REST_MS + LOOK_MS);
    await checkAtRest(world, watch, await looks);
  } catch (error) {
    const replay = `seed ${seed}, ${topology}`;
    throw new Violation(`${replay}: ${error instanceof Violation ? error.message : (error as Error).stack}`, {
      cause: { trace: world.trace.lines },
    });
  }
  return { seed, hash: world.trace.hash, trace: world.trace.lines, seen: sightsOf(world, watch) };
};

/** Its client left, and its provider told the usage all the same. */
const isDrained = ({ client, providerEnd }: Story): boolean =>
  client.leftAtMs !== null && client.leftAtMs < (providerEnd?.atMs ?? 0) && providerEnd?.reported != null;

/** What a run had of everything that runs should have. */
const sightsOf = (world: World, watch: LedgerWatch): ReadonlySet<Sight> => {
  const seen = new Set<Sight>();
  const see = (what: Sight, when: boolean): void => void (when && seen.add(what));
  for (const story of world.stories.values()) {
    const { client, plan } = story;
    const charged = watch.charged.get(plan.requestId) ?? 0n;
    see('a whole answer', client.complete);
    see('a charge', charged > 0n);
    see('no credit', client.status === 402);
    see('an error after the admission', client.status >= 500 && story.ceiling !== null);
    see('a cold account', client.status === 503 && story.ceiling === null);
    see('a client that left', client.leftAtMs !== null && charged > 0n);
    see(
      'a cut stream',
      client.leftAtMs === null && !client.complete && client.delivered > 0 && client.status === 200,
    );
    see('a dead gateway', story.gatewayDied);
    see('a stream that the store has ended', endOf(story)?.atMs === story.endedByStoreAtMs);
    see('an answer that went on without its client', isDrained(story));
    see('a settlement that nobody was told of', story.settle === 'sent');
    see('a settlement lost with its file', story.lostCosts.length > 0);
    see('a charge above the hold', story.held !== null && charged > story.held);
    see(
      'a charge of a lost request',
      world.database.ledger.usage.has(`${plan.requestId}:lost`) && charged > 0n,
    );
  }
  see('a charge that the ledger decides', world.uncertain > 0);
  see('a settlement that came too late', world.lapsed > 0);
  see('a late final', world.witness.lateFinals.size > 0);
  see('the store file replaced', world.filesLost > 0);
  see('a write-off', watch.writtenOff.size > 0);
  see(
    'a payment',
    world.postings.some(({ outcome }) => outcome === 'posted'),
  );
  see(
    'a refusal to take credit back',
    world.postings.some(({ outcome }) => outcome === 'refused'),
  );
  see('two prices', world.database.catalogs.activeVersion === 2);
  return seen;
};
