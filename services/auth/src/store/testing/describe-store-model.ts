import { describe, expect, it } from '@jest/globals';
import { Fault } from '@tunan/kernel';
import type { StoreLimits } from '../../domain/admission-state.js';
import fc, { type Scheduler } from 'fast-check';
import type { Disk } from './disk.js';
import { TEST_LIMITS } from './memory-admission-store.js';
import { Sightings, type Sight } from './sightings.js';
import { anyStep, type Step } from './store-steps.js';
import { ACCOUNTS, StoreWorld } from './store-world.js';

/** Callers at the same time; one alone is a sequential history. */
const CALLERS_MAX = 6;
const STEPS_MAX = 9;

/** A bound of many that is never met, or one of few that often is. */
const aBound = (many: number): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(many) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 4 }) },
  );

const anyLimits: fc.Arbitrary<StoreLimits> = fc.record({
  ...{ leaseMs: fc.constant(TEST_LIMITS.leaseMs), returnMs: fc.constant(TEST_LIMITS.returnMs) },
  tombstoneMs: fc.constant(TEST_LIMITS.tombstoneMs),
  tombstonesMax: aBound(TEST_LIMITS.tombstonesMax),
  outboxMax: aBound(TEST_LIMITS.outboxMax),
});

/** Time for one history on a machine that is busy with other things; it takes 10 ms of it. */
const RUN_MS = 500;

/** Whatever is to come up comes up in one of so many histories. */
const SIGHTED_IN = 200;

/** One caller after another begins a step whenever it is its turn, whatever the others wait for. */
const call = async (world: StoreWorld, steps: readonly Step[]): Promise<void> => {
  for (const { name, run } of steps) {
    await world.turn(name);
    world.store.check();
    try {
      await run(world);
    } catch (error) {
      // The store was away, and the caller gives up this step.
      if (!(error instanceof Fault) || error.code !== 'service_unavailable') throw error;
    }
  }
};

const history = async (
  disk: Disk,
  scheduler: Scheduler,
  callers: readonly (readonly Step[])[],
  isHot: boolean,
  limits: StoreLimits,
): Promise<ReadonlySet<Sight>> => {
  try {
    const world = await StoreWorld.open(disk, scheduler, limits);
    const everything = async (): Promise<void> => {
      if (isHot) {
        for (const account of ACCOUNTS) world.ledger.topUp(account, 2_000_000n);
        await world.refresher.refresh(ACCOUNTS);
      }
      await Promise.all(callers.map((steps) => call(world, steps)));
      await world.quiesce(TEST_LIMITS.leaseMs);
      world.store.check();
    };
    await scheduler.waitFor(everything());
    await world.store.close();
    return world.store.seen;
  } finally {
    disk.remove();
  }
};

/** `STORE_MODEL_SEED` and `STORE_MODEL_PATH` repeat a run that failed, as its message names them. */
const replay = (): fc.Parameters<unknown> => {
  const { STORE_MODEL_SEED: seed, STORE_MODEL_PATH: path } = process.env;
  return { ...(seed === undefined ? {} : { seed: Number(seed) }), ...(path === undefined ? {} : { path }) };
};

/**
 * Several callers at once, whose operations overlap in time, in an order that fast-check chooses; the store's process
 * is killed, its disk is full, its bounds are met, leases run out, answers are lost or late. Guarantees, compared with a
 * reference store and a reference ledger after every operation: operations are made in the order of their issue, each in
 * one step, and every answer is the reference's; what was answered outlives a crash; what is left is never more than the
 * truth; when all is delivered, everything that was settled is in the ledger at the cost that was told, and store and
 * ledger agree to the nano-dollar.
 */
export const describeStoreModel = (name: string, disk: () => Disk, numRuns: number): void => {
  describe(`${name}, compared with the reference`, () => {
    it(
      `agrees in ${numRuns} interleavings`,
      async () => {
        const sightings = new Sightings();
        const steps = fc.array(anyStep, { minLength: 1, maxLength: STEPS_MAX, size: 'max' });
        const callers = fc.array(steps, { minLength: 1, maxLength: CALLERS_MAX, size: 'max' });
        await fc.assert(
          fc.asyncProperty(
            fc.scheduler(),
            callers,
            fc.boolean(),
            anyLimits,
            async (scheduler, all, isHot, limits) =>
              sightings.add(await history(disk(), scheduler, all, isHot, limits)),
          ),
          { numRuns, ...replay() },
        );
        // Runs in which nothing happens prove nothing.
        if (!('path' in replay())) expect(sightings.rarerThan(numRuns / SIGHTED_IN)).toEqual([]);
      },
      60_000 + numRuns * RUN_MS,
    );
  });
};
