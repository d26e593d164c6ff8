import { setFirst } from './child-process.mjs';
import { cpuOf, rssOf, stealOf } from './process-usage.mjs';
import { prompt, stream, unary } from './requests.mjs';
import { median } from './statistics.mjs';

/**
 * One window of one scenario on one arm. CPU is counted until everything that was answered is billed.
 * @param expected frames and bytes of every answer; undefined where answers are refusals
 * @param attacked the arm that is attacked meanwhile, if the scenario has an attack
 * @throws Error if an answer is not whole
 */
export const measure = async (rig, arm, scenario, { expected, attacked = arm } = {}) => {
  const request = scenario.request(arm);
  if (scenario.before !== undefined) await rig.load(arm.port, request, scenario.before);
  const rssBeforeKb = rssOf(attacked.pids[0]);
  const attack = await startAttack(rig, attacked, scenario.attack);
  const postgres = arm.postgresPids ?? [];
  const read = () => ({
    arm: cpuOf(arm.pids),
    rig: cpuOf([rig.mock.pid]),
    postgres: cpuOf(postgres),
    machine: stealOf(),
  });
  const before = read();
  const startNs = process.hrtime.bigint();
  const timed = [...arm.pids, rig.mock.pid];
  if (scenario.latency) setFirst(timed, true);
  const counted = await rig.load(arm.port, request, { ...scenario.load, latency: scenario.latency });
  if (scenario.latency) setFirst(timed, false);
  const harm = await attack?.();
  if (expected !== undefined) checkWhole(counted, expected, `${scenario.name} on ${arm.name}`);
  if (scenario.billed !== false) arm.answered?.(counted.answers);
  await arm.settled();
  const after = read();
  const units = scenario.units(counted);
  const cpu = after.arm.cpu - before.arm.cpu;
  return {
    window: [Number(startNs / 1_000n), Number(process.hrtime.bigint() / 1_000n)],
    answers: counted.answers,
    seconds: counted.seconds,
    perSecond: counted.answers / counted.seconds,
    cpuUs: cpu / units,
    postgresUs: (after.postgres.cpu - before.postgres.cpu) / units,
    /** Time that the arm was ready to run and had no core, as a share of its CPU: the noise of the machine. */
    waitShare: (after.arm.wait - before.arm.wait) / Math.max(cpu, 1),
    /** Share of the machine's time that a hypervisor gave to others. */
    stealShare:
      (after.machine.steal - before.machine.steal) / Math.max(after.machine.all - before.machine.all, 1),
    /** Share of the window that the rig was busy: above 0.85 it is the rig that is measured. */
    rigShare: ((after.rig.cpu - before.rig.cpu) / 1e6 + counted.cpuSeconds) / counted.seconds,
    firstUs: counted.first,
    wholeUs: counted.whole,
    ...(harm === undefined ? {} : { harm: { ...harm, addedKb: harm.rssKb - rssBeforeKb } }),
  };
};

const checkWhole = ({ answers, frames, bytes }, expected, where) => {
  for (const [what, count, each] of [
    ['frames', frames, expected.frames],
    ['bytes', bytes, expected.bytes],
  ])
    if (count !== answers * each)
      throw new Error(`${where}: ${answers} answers of ${each} ${what} have ${count} together`);
};

const SAMPLE_MS = 200;
/** What a client may still be read or waited for after it has gone. */
const LINGER_MS = 1_500;

/** Begins an attack; returns how to end it, which tells what it did and what memory the arm took at most. */
const startAttack = async (rig, arm, attack) => {
  if (attack === undefined) return undefined;
  const stop = await rig.attack(arm.port, { ...attack, keys: attack.keys(arm) });
  let rssKb = 0;
  const sampling = setInterval(() => (rssKb = Math.max(rssKb, rssOf(arm.pids[0]))), SAMPLE_MS);
  return async () => {
    clearInterval(sampling);
    const harm = { ...(await stop()), rssKb: Math.max(rssKb, rssOf(arm.pids[0])) };
    await new Promise((resolve) => setTimeout(resolve, LINGER_MS));
    return harm;
  };
};

const WARM_UP_SECONDS_MAX = 40;

/** Lets compilers and caches settle: so many unary answers, then streams, then a large prompt. */
export const warmUp = async (rig, arm, requests) => {
  for (const [request, connections, count] of [
    [unary(arm.apiKey), 64, requests],
    [stream(arm.apiKey, 100, 1_000), 50, requests / 20],
    [prompt(arm.apiKey, 'english'), 16, requests / 20],
  ]) {
    const load = { connections, requests: count, seconds: WARM_UP_SECONDS_MAX };
    const counted = await rig.load(arm.port, request, load);
    arm.answered?.(counted.answers);
  }
  await arm.settled();
};

const STREAM_SECONDS = 12;
const STREAM_LEVELS = [100, 1_000];

/** Resident memory of an arm that has just started, and what each open stream adds: the slope between two levels. */
export const measureMemory = async (rig, arm) => {
  const [pid] = arm.pids;
  const idleKb = rssOf(pid);
  const levels = [];
  for (const connections of STREAM_LEVELS) levels.push(await rssWith(rig, arm, connections));
  const [few, many] = levels;
  return { idleKb, levels, perStreamKb: (many - few) / (STREAM_LEVELS[1] - STREAM_LEVELS[0]) };
};

/** The middle of what the process takes while so many streams are open, each with a chunk per second. */
const rssWith = async (rig, arm, connections) => {
  const samples = [];
  const request = stream(arm.apiKey, STREAM_SECONDS, 1_000_000);
  const load = { connections, requests: connections, staggerUs: 1_000 };
  let done = false;
  const counted = await rig
    .load(arm.port, request, load, async () => {
      for (let index = 0; !done && index * SAMPLE_MS < STREAM_SECONDS * 1_000; index += 1) {
        await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
        samples.push(rssOf(arm.pids[0]));
      }
    })
    .finally(() => (done = true));
  arm.answered?.(counted.answers);
  await arm.settled();
  return median(samples.slice(Math.floor(samples.length / 3), Math.ceil((samples.length * 3) / 4)));
};
