import { describe, expect, it } from '@jest/globals';
import type { Topology } from './scenario.js';
import { SIGHTS, simulate, type Sight } from './simulation.js';

/** Seeds of one topology in CI. Each has a range of its own, so that no world is run twice. */
const SEEDS = 5_000;
const FIRST_SEEDS: Readonly<Record<Topology, number>> = { 'one process': 0, 'a process each': SEEDS };

/** In at least so many runs everything that a simulation is to meet comes up. */
const SIGHTINGS_MIN = 10;

/** But this can't: in one process who settles dies with the store that admitted, so the ledger is never asked. */
const NEVER: Readonly<Record<Topology, readonly Sight[]>> = {
  'one process': ['a charge that the ledger decides'],
  'a process each': [],
};

/** Lines of the trace that a failure shows. */
const TRACE_LINES = 60;

/** Time for one run on a machine that is busy with other things; a run takes 12 ms of it. */
const RUN_MS = 300;

/** Runs one seed; a failure is run again for its trace, which is the same to the last line. */
const runSeed = async (seed: number, topology: Topology): Promise<ReadonlySet<Sight>> => {
  try {
    return (await simulate(seed, topology)).seen;
  } catch (failure) {
    const again: unknown = await simulate(seed, topology, { keepTrace: true }).catch(
      (error: unknown) => error,
    );
    if (!(again instanceof Error))
      throw new Error('it failed once and not again: not deterministic', { cause: failure });
    const { trace } = again.cause as { trace: readonly string[] };
    throw new Error(`${again.message}\n${trace.slice(-TRACE_LINES).join('\n')}`, { cause: failure });
  }
};

/**
 * Runs the settlement core under virtual time, once for each seed. `SIMULATION_SEED` and `SIMULATION_SEEDS`
 * choose the first seed and their number.
 */
export const describeSimulation = (topology: Topology): void => {
  const { SIMULATION_SEED: first, SIMULATION_SEEDS: chosen } = process.env;
  const count = Number(chosen ?? (first === undefined ? SEEDS : 1));
  const start = Number(first ?? FIRST_SEEDS[topology]);

  describe(`the settlement core, ${topology}`, () => {
    it(
      `keeps its promises in ${count} worlds`,
      async () => {
        const sightings = new Map<Sight, number>(SIGHTS.map((sight) => [sight, 0]));
        for (let seed = start; seed < start + count; seed += 1) {
          for (const sight of await runSeed(seed, topology)) sightings.set(sight, sightings.get(sight)! + 1);
          // A world takes no turn of the event loop, by which Jest ends what takes too long.
          await new Promise((resolve) => setImmediate(resolve));
        }
        if (count < SEEDS) return;
        // Runs in which nothing happens prove nothing.
        const odd = [...sightings].filter(([sight, times]) =>
          NEVER[topology].includes(sight) ? times > 0 : times < SIGHTINGS_MIN,
        );
        expect(odd).toEqual([]);
      },
      60_000 + count * RUN_MS,
    );
  });
};
