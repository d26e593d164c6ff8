import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@tunan/testing';
import fc from 'fast-check';
import { fuzzInput } from './fuzz/fuzz-input.js';
import { FuzzRun } from './fuzz/fuzz-run.js';
import { startHostileRig, type HostileRig } from './hostile-rig.js';

/** `FUZZ_SEED=… FUZZ_RUNS=… npm test -- test/hostile/fuzz` repeats a run, or makes another one. */
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_127);
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 50_000);
const SLICE = 1_000;
const KEYS = 200;
/** A whole one is never left: that it is not answered within this time is a hang. */
const ANSWER_MS_MAX = 60_000;
/** Share of a kind's inputs that may end before they are whole, and so be left without an answer: up to 2 % are. */
const UNANSWERED_MAX = 0.05;
/** Kinds of which fewer inputs were made say nothing of a share. */
const SHARE_OF_MIN = 100;
const FAILURES_SHOWN = 5;

describe('fuzzing the public API', () => {
  let rig: HostileRig;
  let keys: readonly string[];

  beforeAll(async () => {
    rig = await startHostileRig();
    keys = await rig.newKeys(KEYS);
  }, 300_000);

  afterAll(async () => {
    expect(await rig.stop()).toBe(0);
  }, 60_000);

  it('finds no answer but a success or an OpenAI error, no hang, no crash, and no hold left', async () => {
    const run = new FuzzRun(rig.port, ANSWER_MS_MAX);
    console.log(`fuzz: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}`);
    const startedMs = performance.now();
    for (let from = 0; from < RUNS && run.failures.length < FAILURES_SHOWN; from += SLICE) {
      const numRuns = Math.min(SLICE, RUNS - from);
      await run.send(fc.sample(fuzzInput(keys), { seed: SEED + from, numRuns }));
      await rig.alive();
    }
    const { failures, made, statuses, unanswered } = run;
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
    const byStatus = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
    const left = [...unanswered].map(([kind, times]) => `${times} of ${made.get(kind)} ${kind}`);
    console.log(
      `fuzz: ${RUNS} inputs in ${seconds} s; ${byStatus.join(', ')}; without an answer: ${left.join(', ')}`,
    );
    expect(failures.slice(0, FAILURES_SHOWN)).toEqual([]);
    for (const [kind, times] of unanswered)
      expect([kind, times / Math.max(made.get(kind)!, SHARE_OF_MIN) <= UNANSWERED_MAX]).toEqual([kind, true]);
    await eventually('every hold has ended', async () => (await rig.holds()) === 0, 120_000);
    // It has been to the places that it was meant for.
    for (const status of [200, 400, 401, 404, 405, 415]) expect(statuses.get(status) ?? 0).toBeGreaterThan(0);
    expect(rig.host.printed).not.toContain('"level":50');
  }, 900_000);
});
