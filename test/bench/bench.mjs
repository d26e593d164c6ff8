// `npm run bench`: what this gateway costs, beside the least that a proxy in Node can cost. See README.md.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { control } from './arms/control.mjs';
import { direct } from './arms/direct.mjs';
import { Gateway, startCommand } from './arms/gateway.mjs';
import { nginx } from './arms/nginx.mjs';
import { CORES, stopChildren } from './child-process.mjs';
import { Fidelity } from './fidelity.mjs';
import { measure, measureMemory, warmUp } from './measure.mjs';
import { profile } from './profile.mjs';
import { renderTable } from './report.mjs';
import { Rig } from './rig.mjs';
import { FULL, QUICK, scenarios } from './scenarios.mjs';

const RESULTS = fileURLToPath(new URL('results/', import.meta.url));
const HELP = `Usage: npm run bench -- [options]

  --quick             fewer and shorter rounds: about seven minutes instead of twenty
  --only A,B          only these scenarios, or all whose names begin so (hostile); no memory
  --against DIR       measure another checkout, which is built, in the same run
  --profile SCENARIO  run one scenario under V8's profiler and print where the time goes, by thread
  --help              this text

Scenarios: ${scenarios(FULL)
  .map(({ name }) => name)
  .join(', ')}`;

const main = async () => {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean' },
      only: { type: 'string' },
      against: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return console.log(HELP);
  const size = values.quick ? QUICK : FULL;
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-');
  mkdirSync(RESULTS, { recursive: true });
  const rig = await Rig.start();
  try {
    if (values.profile !== undefined)
      return console.log(await profile(rig, values.profile, size, join(RESULTS, `profile-${stamp}`)));
    const run = await bench(rig, size, values.only?.split(','), values.against);
    const table = renderTable(run);
    writeFileSync(join(RESULTS, `${stamp}.json`), JSON.stringify(run, null, 1));
    writeFileSync(join(RESULTS, `${stamp}.txt`), `${table}\n`);
    console.log(`\n${table}\n\ntest/bench/results/${stamp}.json`);
  } finally {
    await rig.stop();
  }
};

const bench = async (rig, size, only, against) => {
  const { flags } = startCommand();
  const run = {
    startedAt: new Date().toISOString(),
    revision: revision(),
    machine: machine(flags),
    size,
    against,
    rounds: [],
  };
  const arms = await startArms(rig, flags, against);
  try {
    if (only === undefined) {
      progress('memory');
      run.memory = {
        control: await measureMemory(rig, arms.get('control')),
        gateway: await measureMemory(rig, arms.get('gateway')),
      };
    }
    for (const [name, arm] of arms) {
      progress(`warming up ${name}`);
      await warmUp(rig, arm, size.warmUp);
    }
    const wanted = scenarios(size).filter(
      ({ name }) => only === undefined || only.some((one) => name === one || name.startsWith(`${one}-`)),
    );
    const fidelity = new Fidelity(arms.get('direct'));
    for (let round = 0; round < size.rounds; round += 1)
      run.rounds.push(await measureRound(rig, arms, fidelity, wanted, round, size.rounds));
    return run;
  } finally {
    for (const arm of arms.values()) await arm.stop();
  }
};

/** All scenarios once, each with all of its arms one after the other; every round begins with another arm. */
const measureRound = async (rig, arms, fidelity, wanted, round, rounds) => {
  const results = {};
  for (const scenario of wanted) {
    progress(`round ${round + 1} of ${rounds}: ${scenario.name}`);
    const names = scenario.arms.filter((name) => arms.has(armOf(name)));
    const first = round % names.length;
    results[scenario.name] = {};
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const attacked = name === 'direct' ? 'gateway' : armOf(name);
      const arm = arms.get(armOf(name));
      const expected = scenario.billed === false ? undefined : await fidelity.of(arm, scenario);
      results[scenario.name][name] = await measure(rig, arm, scenario, {
        expected,
        attacked: arms.get(attacked),
      });
    }
  }
  return results;
};

const armOf = (name) => name.replace(/-again$/, '');

const startArms = async (rig, flags, against) => {
  progress('starting the arms');
  const arms = [direct(rig), await control(rig, flags), await nginx(rig), await Gateway.start(rig)];
  if (against !== undefined) arms.push(await Gateway.start(rig, { name: 'against', root: resolve(against) }));
  return new Map(arms.filter(Boolean).map((arm) => [arm.name, arm]));
};

const revision = () =>
  spawnSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).stdout?.trim() ?? 'unknown';

const machine = (flags) => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  node: process.version,
  flags,
  pinned: CORES !== undefined,
});

const progress = (step) => process.stderr.write(`${step} …\n`);

main().catch(async (error) => {
  console.error(`bench: ${error.message}`);
  await stopChildren();
  process.exit(1);
});
