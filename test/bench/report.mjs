import { DIALECTS, LARGE } from './scenarios.mjs';
import { summary } from './statistics.mjs';

/** C0 ÷ nginx on a machine where the control is what it should be. */
const CONTROL_RANGE = [2.4, 3.3];
const SAME_MAX = 0.03;
const RIG_SHARE_MAX = 0.85;
/** What a KB may cost more in a request of four times the size: above it, cost grows faster than the size. */
const LINEAR_MAX = 1.2;

/** The figures, with the bar that must be met and the aim. `values`: one per round. */
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
      values: added(scenario, quantile),
      control: added(scenario, quantile, 'control'),
    }));
  return [
    {
      name: 'unary small, 64 connections, CPU',
      unit: '× C0',
      bar: 2.5,
      aim: 1.6,
      values: ratio('unary'),
      control: cpu('unary', 'control'),
    },
    ...['paced', ...DIALECTS.map((provider) => `paced-${provider}`)].map((scenario) => ({
      name: `${scenario.replace('paced', 'paced stream').replace('-', ' of ')}, CPU per chunk`,
      unit: '× C0',
      bar: 1.35,
      aim: 1.1,
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
      values: over('prompt-english'),
      control: cpu('prompt-english', 'control'),
    },
    {
      name: '100 KB prompt in Chinese, CPU over C0',
      unit: 'µs',
      bar: 400,
      aim: 100,
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
        values: over(`${kind}-${largest}`).map((us, round) => us / largest / (small[round] / smallest)),
      };
    }),
    { name: 'rejected key, CPU', unit: 'µs', bar: 120, aim: 45, values: cpu('rejected-key', 'gateway') },
    ...attackFigures(rounds),
    ...(memory === undefined
      ? []
      : [
          {
            name: 'idle, resident memory',
            unit: 'MB',
            bar: 200,
            aim: 120,
            values: [memory.gateway.idleKb / 1_024],
            control: [memory.control.idleKb / 1_024],
          },
          {
            name: 'open stream, resident memory',
            unit: 'KB',
            bar: 100,
            aim: 40,
            values: [memory.gateway.perStreamKb],
            control: [memory.control.perStreamKb],
          },
        ]),
  ].filter(({ values }) => values.every(Number.isFinite));
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
          values: slower('gateway'),
          control: slower('direct'),
        },
        {
          name: `memory added under ${name}`,
          unit: 'MB',
          bar: 64,
          aim: 16,
          values: rounds.map((round) => round[scenario].gateway.harm.addedKb / 1_024),
        },
      ];
    });

/** What says whether the run can be believed. */
const checks = ({ rounds }) => {
  if (rounds[0].unary === undefined) return ['     without the scenario unary nothing is checked'];
  const unary = (value) => summary(rounds.map((round) => value(round.unary))).median;
  const windows = rounds.flatMap((round) =>
    Object.values(round).flatMap(({ direct: _ceiling, ...arms }) => Object.values(arms)),
  );
  const same = unary((arms) => arms['gateway-again'].cpuUs / arms.gateway.cpuUs);
  // Of windows that last: a short one is the start of the generator.
  const rigBusy = Math.max(
    0,
    ...windows.filter(({ seconds }) => seconds > 1).map(({ rigShare }) => rigShare),
  );
  const waited = summary(windows.filter(({ cpuUs }) => cpuUs > 0).map(({ waitShare }) => waitShare));
  const lines = [
    verdict(
      Math.abs(same - 1) < SAME_MAX,
      `gateway ÷ gateway (A/A) ${number(same)}, should be within ${SAME_MAX} of 1`,
    ),
    verdict(
      rigBusy < RIG_SHARE_MAX,
      `rig busy at most ${percent(rigBusy)}, should be below ${percent(RIG_SHARE_MAX)}`,
    ),
    `     arms waited for a core for ${percent(waited.median)} of their CPU time (median), ${percent(waited.high)} (upper quartile)`,
  ];
  if (rounds[0].unary.nginx === undefined)
    return [...lines, '     nginx is not installed: the control is not checked'];
  const control = unary((arms) => arms.control.cpuUs / arms.nginx.cpuUs);
  const [low, high] = CONTROL_RANGE;
  return [
    verdict(control >= low && control <= high, `C0 ÷ nginx ${number(control)}, should be ${low} to ${high}`),
    ...lines,
  ];
};

const verdict = (good, text) => `${good ? 'ok  ' : 'NOT '} ${text}`;
const percent = (share) => `${Math.round(share * 100)} %`;
const number = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2));

/** The table of one run, from its JSON. */
export const renderTable = (run) => {
  const rows = figures(run).map(({ name, unit, bar, aim, values, control }) => {
    const { median, low, high } = summary(values);
    const word = median <= aim ? 'aim' : median <= bar ? 'bar' : 'MISSED';
    const spread = values.length > 1 ? `${number(low)}–${number(high)}` : '';
    return [
      name,
      unit,
      number(median),
      spread,
      String(bar),
      String(aim),
      word,
      control ? number(summary(control).median) : '',
    ];
  });
  return [
    `${run.startedAt}, ${run.machine.cores} × ${run.machine.cpu}, Node ${run.machine.node} ${run.machine.flags.join(' ')}, ${run.revision}`,
    `${run.rounds.length} rounds, arms rotated; medians of the rounds and their quartiles; ${run.machine.pinned ? 'rig on core 0, arms on core 1' : 'not pinned'}`,
    '',
    ...align([['figure', 'unit', 'median', 'quartiles', 'bar', 'aim', 'met', 'C0'], ...rows]),
    '',
    ...armLines(run),
    '',
    ...againstLines(run),
    ...checks(run),
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
          number(of((one) => one.perSecond)),
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
