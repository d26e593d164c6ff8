import { DIALECTS, LARGE } from './scenarios.mjs';
import { summary } from './statistics.mjs';

/** C0 ÷ nginx on a machine where the control is what it should be. */
const CONTROL_RANGE = [2.4, 3.3];
const SAME_MAX = 0.03;
const RIG_SHARE_MAX = 0.85;
/** What a KB may cost more in a request of four times the size: above it, cost grows faster than the size. */
const LINEAR_MAX = 1.2;

/** Above this share of the ceiling that `direct` has, it is the rig that is measured: there is more in an arm than this. */
const CEILING_SHARE = 0.9;

/**
 * The figures, with the bar that must be met and the aim. `values`: one per round. `from`: scenarios of whose windows it
 * is made. `by`: checks of the run that concern it, besides how busy the rig was in its own windows.
 */
const figures = ({ rounds, memory }) => {
  // A scenario that was left out has no figure.
  const each = (scenario, value) =>
    rounds.map((round) => (round[scenario] === undefined ? NaN : value(round[scenario])));
  const added = (scenario, quantile, arm = 'gateway') =>
    each(scenario, (arms) => (arms[arm].firstUs[quantile] - arms.direct.firstUs[quantile]) / 1_000);
  const cpu = (scenario, arm) => each(scenario, (arms) => arms[arm].cpuUs);
  const ratio = (scenario) => each(scenario, (arms) => arms.gateway.cpuUs / arms.control.cpuUs);
  const over = (scenario) => each(scenario, (arms) => arms.gateway.cpuUs - arms.control.cpuUs);
  const latency = (name, scenario) =>
    ['p50', 'p99'].map((quantile) => ({
      name: `${name}, added ${quantile}`,
      unit: 'ms',
      bar: quantile === 'p50' ? 1 : 3,
      aim: quantile === 'p50' ? 0.3 : 0.8,
      from: [scenario],
      by: [],
      values: added(scenario, quantile),
      control: added(scenario, quantile, 'control'),
    }));
  return [
    {
      name: 'unary small, 64 connections, CPU',
      unit: '× C0',
      bar: 2.5,
      aim: 1.6,
      from: ['unary'],
      by: ['same', 'control'],
      values: ratio('unary'),
      control: cpu('unary', 'control'),
    },
    ...['paced', ...DIALECTS.map((provider) => `paced-${provider}`)].map((scenario) => ({
      name: `${scenario.replace('paced', 'paced stream').replace('-', ' of ')}, CPU per chunk`,
      unit: '× C0',
      bar: 1.35,
      aim: 1.1,
      from: [scenario],
      by: ['same', 'control'],
      values: ratio(scenario),
      control: cpu(scenario, 'control'),
    })),
    ...latency('first byte of a stream, 1 connection', 'first-byte-stream'),
    ...latency('first byte of a unary answer, 1 connection', 'first-byte-unary'),
    {
      name: '100 KB prompt, CPU over C0',
      unit: 'µs',
      bar: 400,
      aim: 100,
      from: ['prompt-english'],
      by: ['same', 'control'],
      values: over('prompt-english'),
      control: cpu('prompt-english', 'control'),
    },
    {
      name: '100 KB prompt in Chinese, CPU over C0',
      unit: 'µs',
      bar: 400,
      aim: 100,
      from: ['prompt-chinese'],
      by: ['same', 'control'],
      values: over('prompt-chinese'),
      control: cpu('prompt-chinese', 'control'),
    },
    ...Object.entries(LARGE).map(([kind, sizes]) => {
      const [smallest, largest] = [sizes.at(0), sizes.at(-1)];
      const small = over(`${kind}-${smallest}`);
      return {
        name: `${kind} of ${largest} KB, CPU over C0 per KB against ${smallest} KB`,
        unit: '×',
        bar: LINEAR_MAX,
        aim: 1,
        from: [`${kind}-${smallest}`, `${kind}-${largest}`],
        by: ['same', 'control'],
        values: over(`${kind}-${largest}`).map((us, round) => us / largest / (small[round] / smallest)),
      };
    }),
    ...Object.entries(REFUSALS).map(([scenario, name]) => ({
      name: `rejected key, ${name}, CPU`,
      unit: 'µs',
      bar: 120,
      aim: 45,
      from: [scenario],
      by: ['same'],
      values: cpu(scenario, 'gateway'),
    })),
    ...attackFigures(rounds),
    ...(memory === undefined
      ? []
      : [
          {
            name: 'idle, resident memory',
            unit: 'MB',
            bar: 200,
            aim: 120,
            from: [],
            by: [],
            values: [memory.gateway.idleKb / 1_024],
            control: [memory.control.idleKb / 1_024],
          },
          {
            name: 'open stream, resident memory',
            unit: 'KB',
            bar: 100,
            aim: 40,
            from: [],
            by: [],
            values: [memory.gateway.perStreamKb],
            control: [memory.control.perStreamKb],
          },
        ]),
  ].filter(({ values }) => values.every(Number.isFinite));
};

/** The bar holds for the dearest of them. */
const REFUSALS = {
  'rejected-unknown-keys': 'another each time (401)',
  'rejected-unknown-key': 'the same again (401)',
  'rejected-address': 'address beyond its limit (429)',
};

const HOSTILE = /^hostile-(?!calm)/;

/** What other clients and the process's memory suffer from an attack. The last column is what the rig itself suffers. */
const attackFigures = (rounds) =>
  Object.keys(rounds[0])
    .filter((scenario) => HOSTILE.test(scenario) && rounds[0]['hostile-calm'] !== undefined)
    .flatMap((scenario) => {
      const slower = (arm) =>
        rounds.map((round) => round[scenario][arm].wholeUs.p99 / round['hostile-calm'][arm].wholeUs.p99);
      const name = scenario.replace('hostile-', '');
      return [
        {
          name: `p99 of others under ${name}`,
          unit: '× calm',
          bar: 2,
          aim: 1.2,
          from: [scenario, 'hostile-calm'],
          by: [],
          values: slower('gateway'),
          control: slower('direct'),
        },
        {
          name: `memory added under ${name}`,
          unit: 'MB',
          bar: 64,
          aim: 16,
          from: [scenario],
          by: [],
          values: rounds.map((round) => round[scenario].gateway.harm.addedKb / 1_024),
        },
      ];
    });

/** Windows of scenarios on all arms but the mock itself; none of a scenario that was left out. */
const windowsOf = (rounds, scenarios) =>
  rounds.flatMap((round) =>
    scenarios.flatMap((scenario) => {
      const { direct: _ceiling, ...arms } = round[scenario] ?? {};
      return Object.values(arms);
    }),
  );

/** How busy the rig was at most, in windows that last: a short one is the start of the generator. */
const busiest = (windows) =>
  Math.max(0, ...windows.filter(({ seconds }) => seconds > 1).map(({ rigShare }) => rigShare));

/** What says whether the run can be believed: by name, undefined where it can't be told. */
const checks = ({ rounds }) => {
  const every = windowsOf(rounds, Object.keys(rounds[0]));
  const busy = busiest(every);
  const found = {
    rig: {
      good: busy < RIG_SHARE_MAX,
      text: `rig busy at most ${percent(busy)}, should be below ${percent(RIG_SHARE_MAX)}`,
    },
  };
  if (rounds[0].unary === undefined) return found;
  const unary = (value) => summary(rounds.map((round) => value(round.unary))).median;
  const same = unary((arms) => arms['gateway-again'].cpuUs / arms.gateway.cpuUs);
  found.same = {
    good: Math.abs(same - 1) < SAME_MAX,
    text: `gateway ÷ gateway (A/A) ${number(same)}, should be within ${SAME_MAX} of 1`,
  };
  if (rounds[0].unary.nginx === undefined) return found;
  const control = unary((arms) => arms.control.cpuUs / arms.nginx.cpuUs);
  const [low, high] = CONTROL_RANGE;
  found.control = {
    good: control >= low && control <= high,
    text: `C0 ÷ nginx ${number(control)}, should be ${low} to ${high}`,
  };
  return found;
};

const checkLines = (found, { rounds }) => {
  const { waited, stolen } = noise(windowsOf(rounds, Object.keys(rounds[0])));
  return [
    ...['control', 'same', 'rig'].map((name) => {
      if (found[name] === undefined) return `     ${UNCHECKED[name]}`;
      return `${found[name].good ? 'ok  ' : 'NOT '} ${found[name].text}`;
    }),
    `     arms waited for a core for ${percent(waited)} of their CPU time, others had ${percent(stolen)} of the machine (medians)`,
  ];
};

const UNCHECKED = {
  control: 'without the scenario unary, or without nginx, the control is not checked',
  same: 'without the scenario unary the noise is not checked',
};

/** Middle of the shares of waiting and of steal of the windows in which CPU was counted. */
const noise = (windows) => {
  const counted = windows.filter(({ cpuUs }) => cpuUs > 0);
  const middle = (value) => (counted.length === 0 ? NaN : summary(counted.map(value)).median);
  return { waited: middle(({ waitShare }) => waitShare), stolen: middle(({ stealShare }) => stealShare) };
};

/** Whether an arm answers nearly as fast as the mock itself does. */
const atCeiling = (rounds, scenario, arm) => {
  const arms = rounds.map((round) => round[scenario]);
  if (arms[0]?.direct === undefined) return false;
  return summary(arms.map((one) => one[arm].perSecond / one.direct.perSecond)).median > CEILING_SHARE;
};

const percent = (share) => (Number.isNaN(share) ? '' : `${Math.round(share * 100)} %`);
const number = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2));

/** `met`, or with a mark if something says that this figure is not to be believed. */
const verdict = ({ from, by, median, bar, aim }, found, rounds) => {
  const word = median <= aim ? 'aim' : median <= bar ? 'bar' : 'MISSED';
  const believed =
    by.every((name) => found[name]?.good !== false) &&
    (by.length === 0 || found.same !== undefined) &&
    busiest(windowsOf(rounds, from)) < RIG_SHARE_MAX;
  return believed ? word : `${word}?`;
};

/** The table of one run, from its JSON. */
export const renderTable = (run) => {
  const { rounds } = run;
  const found = checks(run);
  const rows = figures(run).map((figure) => {
    const { name, unit, bar, aim, from, values, control } = figure;
    const { median, low, high } = summary(values);
    const floor = from.some((scenario) => atCeiling(rounds, scenario, 'gateway')) ? '≥ ' : '';
    const { waited, stolen } = noise(windowsOf(rounds, from));
    return [
      name,
      unit,
      `${floor}${number(median)}`,
      values.length > 1 ? `${number(low)}–${number(high)}` : '',
      String(bar),
      String(aim),
      verdict({ ...figure, median }, found, rounds),
      control ? number(summary(control).median) : '',
      percent(waited),
      percent(stolen),
    ];
  });
  const head = ['figure', 'unit', 'median', 'quartiles', 'bar', 'aim', 'met', 'C0', 'waited', 'stolen'];
  return [
    `${run.startedAt}, ${run.machine.cores} × ${run.machine.cpu}, Node ${run.machine.node} ${run.machine.flags.join(' ')}, ${run.revision}`,
    `${rounds.length} rounds, arms rotated; medians of the rounds and their quartiles; ${run.machine.pinned ? 'rig on core 0, arms on core 1' : 'not pinned'}`,
    '',
    ...align([head, ...rows]),
    '',
    ...armLines(run),
    '',
    ...againstLines(run),
    ...checkLines(found, run),
  ].join('\n');
};

/** CPU of every arm, as it was. */
const armLines = ({ rounds }) => {
  const rows = Object.keys(rounds[0]).flatMap((scenario) =>
    Object.keys(rounds[0][scenario])
      .filter((arm) => arm !== 'direct')
      .map((arm) => {
        const of = (value) => summary(rounds.map((round) => value(round[scenario][arm]))).median;
        return [
          scenario,
          arm,
          number(of((one) => one.cpuUs)),
          `${atCeiling(rounds, scenario, arm) ? '≥ ' : ''}${number(of((one) => one.perSecond))}`,
          number(of((one) => one.postgresUs)),
        ];
      }),
  );
  return align([['scenario', 'arm', 'CPU-µs', 'answers/s', 'Postgres-µs'], ...rows]);
};

/** CPU of this checkout as a multiple of the other one's, round by round. */
const againstLines = ({ rounds, against }) =>
  against === undefined
    ? []
    : Object.keys(rounds[0]).map((scenario) => {
        const ratio = (value) =>
          summary(rounds.map((round) => value(round[scenario].gateway) / value(round[scenario].against)));
        const { median, low, high } = ratio(({ cpuUs }) => cpuUs);
        const p99 = ratio(({ wholeUs }) => wholeUs.p99).median;
        return `     ${scenario}: CPU ${number(median)} × that of ${against} (${number(low)}–${number(high)}), p99 ${number(p99)} ×`;
      });

const align = (rows) => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(rows[0]), rule, ...rows.slice(1).map(line)];
};
