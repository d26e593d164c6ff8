import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Gateway } from './arms/gateway.mjs';
import { measure, warmUp } from './measure.mjs';
import { scenarios } from './scenarios.mjs';

const PROFILE_SECONDS = 10;
const INTERVAL_US = 200;
const LINES = 40;

/** Runs one scenario on a gateway under V8's profiler and returns what every thread was doing, by own time. */
export const profile = async (rig, name, size, folder) => {
  mkdirSync(folder, { recursive: true });
  const all = scenarios({ ...size, seconds: PROFILE_SECONDS });
  const scenario = all.find((one) => one.name === name);
  if (scenario === undefined)
    throw new Error(`no scenario ${name}: ${all.map((one) => one.name).join(', ')}`);
  const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${INTERVAL_US}`];
  const gateway = await Gateway.start(rig, { nodeFlags: flags });
  let measured;
  try {
    await warmUp(rig, gateway, size.warmUp);
    measured = await measure(rig, gateway, scenario);
  } finally {
    await gateway.stop();
  }
  const files = readdirSync(folder).filter((file) => file.endsWith('.cpuprofile'));
  const threads = files.map((file) =>
    ownTimes(JSON.parse(readFileSync(join(folder, file), 'utf8')), measured.window),
  );
  return [
    `${name}: ${measured.cpuUs.toFixed(1)} CPU-µs per unit under the profiler, ${measured.answers} answers`,
    ...threads.flatMap((times, index) => ['', files[index], ...table(times, measured)]),
  ].join('\n');
};

/** Own time of each function within the window, in microseconds. */
const ownTimes = ({ nodes, samples, timeDeltas, startTime }, [fromUs, toUs]) => {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map();
  let atUs = startTime;
  samples.forEach((id, index) => {
    atUs += timeDeltas[index];
    if (atUs < fromUs || atUs > toUs) return;
    const name = names.get(id);
    times.set(name, (times.get(name) ?? 0) + timeDeltas[index]);
  });
  return times;
};

const nameOf = ({ functionName, url, lineNumber }) => {
  const place = url
    .replace(/^.*\/(?=(?:services|libs|node_modules)\/)/, '')
    .replace(/^.*\/node_modules\//, '');
  return `${functionName || '(anonymous)'} ${place === '' ? '' : `${place}:${lineNumber + 1}`}`;
};

const table = (times, { answers }) =>
  [...times]
    .filter(([name]) => !name.startsWith('(idle)'))
    .sort(([, a], [, b]) => b - a)
    .slice(0, LINES)
    .map(([name, us]) => `${(us / answers).toFixed(2).padStart(9)} µs per answer  ${name}`);
