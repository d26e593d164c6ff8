// `npm run test:mutants`: would the tests notice? Each `*.patch` here is a defect that somebody could have
// written. It is applied to a copy of the sources, never to the working tree, and the tests that its header
// names have to fail: `Killed-by: FILE :: TEST` that test, `Killed-by: FILE` any test of the file. Arguments choose patches by a part of their name: `npm run test:mutants -- settle`.
import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const HERE = fileURLToPath(new URL('.', import.meta.url));

/** Longest run of one mutant's tests, and of all tests without a mutant. */
const TIMEOUT_MS = 240_000;
const UNCHANGED_TIMEOUT_MS = 900_000;

/** Worlds of a simulation without a mutant, at least. */
const WORLDS_MIN = 100;

/** Copies of the sources that mutants run in at the same time. */
const COPIES_MAX = 2;

/**
 * Reads a patch: what the defect is, the tests that have to notice, and in how many worlds a simulation has to. Not in which:
 * any change of the scenarios, or of how often chance is asked, makes another world of a seed.
 */
const readMutant = (file) => {
  const text = readFileSync(join(HERE, file), 'utf8');
  const header = text.slice(0, text.indexOf('diff --git'));
  const values = (name) =>
    [...header.matchAll(new RegExp(`^${name}: (.+)$`, 'gm'))].map(([, value]) => value);
  const killers = values('Killed-by').map((value) => {
    const [spec, ...test] = value.split(' :: ');
    return { spec, test: test.length === 0 ? undefined : test.join(' :: ') };
  });
  return {
    name: basename(file, '.patch'),
    patch: join(HERE, file),
    specs: [...new Set(killers.map(({ spec }) => spec))],
    killers: killers.filter(({ test }) => test !== undefined),
    worlds: values('Worlds')[0],
    files: [...text.matchAll(/^\+\+\+ b\/(.+)$/gm)].map(([, path]) => path),
  };
};

const git = (...args) => {
  const { status, stdout, stderr } = spawnSync('git', args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new Error(`git ${args[0]}: ${stderr}`);
  return stdout;
};

/**
 * Copies every source file, as it is in the working tree, and makes packages be found as in the original: our
 * own in the copy, all others where they are.
 */
const copySources = () => {
  const folder = mkdtempSync(join(tmpdir(), 'tunan-mutants-'));
  const paths = git('ls-files', '-z', '--cached', '--others', '--exclude-standard')
    .split('\0')
    .filter(Boolean);
  for (const path of paths) {
    if (!existsSync(join(ROOT, path))) continue;
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(ROOT, path), join(folder, path));
  }
  const link = (path) => symlinkSync(join(ROOT, path), join(folder, path));
  const packages = join('node_modules', '@tunan');
  mkdirSync(join(folder, packages), { recursive: true });
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (name !== '@tunan') link(join('node_modules', name));
  for (const kind of ['libs', 'services'])
    for (const name of readdirSync(join(folder, kind))) {
      const path = join(kind, name);
      symlinkSync(join(folder, path), join(folder, packages, name));
      if (existsSync(join(ROOT, path, 'node_modules'))) link(join(path, 'node_modules'));
    }
  if (existsSync(join(ROOT, 'test/node_modules'))) link('test/node_modules');
  return folder;
};

/** Runs specs in a copy; resolves to what Jest reports of them, or `undefined` if there was no end to it. */
const runSpecs = (folder, specs, worlds, { workers = 1, timeoutMs = TIMEOUT_MS } = {}) =>
  new Promise((resolve, reject) => {
    const report = join(folder, 'report.json');
    rmSync(report, { force: true });
    const jest = join(ROOT, 'node_modules/jest/bin/jest.js');
    const child = spawn(
      process.execPath,
      [
        ...['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', jest],
        ...(workers === 1 ? ['--runInBand'] : ['--maxWorkers', String(workers)]),
        ...['--json', '--outputFile', report, '--runTestsByPath', ...specs],
      ],
      {
        cwd: folder,
        stdio: 'ignore',
        env: { ...process.env, ...(worlds === undefined ? {} : { SIMULATION_SEEDS: worlds }) },
      },
    );
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.once('error', reject);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve(existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined);
    });
  });

/**
 * Whether the tests notice a mutant: a test has to fail, not the start of its file, and each that is named. One that only
 * fails by accident, or for what another mutant is there for, would prove nothing.
 */
const judge = (report, killers = []) => {
  if (report === undefined) return { verdict: 'NO END', detail: 'in time' };
  const broken = report.testResults.find(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  if (broken !== undefined)
    return { verdict: 'DOES NOT RUN', detail: broken.message.split('\n').slice(0, 4).join(' ') };
  const tests = report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ fullName, status }) => ({ name, fullName, status })),
  );
  for (const { spec, test } of killers) {
    const named = tests.filter(({ name, fullName }) => name.endsWith(spec) && fullName === test);
    if (named.length === 0) return { verdict: 'NO SUCH TEST', detail: test };
    if (named.every(({ status }) => status !== 'failed'))
      return { verdict: 'SURVIVED', detail: `passed: ${test}` };
  }
  const failed = tests.find(
    ({ status, fullName }) =>
      status === 'failed' && (killers.length === 0 || killers.some(({ test }) => test === fullName)),
  );
  return failed === undefined
    ? { verdict: 'SURVIVED', detail: '' }
    : { verdict: 'killed', detail: failed.fullName };
};

const runMutant = async (folder, { patch, specs, killers, worlds, files }) => {
  if (specs.length === 0) return { verdict: 'NAMES NO TEST', detail: '' };
  const apply = spawnSync('git', ['apply', '-p1', patch], {
    cwd: folder,
    encoding: 'utf8',
    // A repository around the folder of temporary files is none of ours.
    env: { ...process.env, GIT_CEILING_DIRECTORIES: dirname(folder) },
  });
  if (apply.status !== 0) return { verdict: 'DOES NOT APPLY', detail: apply.stderr.trim() };
  try {
    return judge(await runSpecs(folder, specs, worlds), killers);
  } finally {
    for (const file of files) cpSync(join(ROOT, file), join(folder, file));
  }
};

/**
 * All specs of some mutants, without a mutant: each in as many worlds as any of its mutants, or a mutant may be taken for
 * killed by a world that fails as it is.
 */
const runUnchanged = async (folder, mutants, options) => {
  const worlds = new Map();
  for (const { specs, worlds: own = '0' } of mutants)
    for (const spec of specs) worlds.set(spec, Math.max(worlds.get(spec) ?? WORLDS_MIN, Number(own)));
  for (const [count, entries] of Map.groupBy(worlds, ([, own]) => own)) {
    const specs = entries.map(([spec]) => spec);
    const result = judge(await runSpecs(folder, specs, String(count), options));
    if (result.verdict !== 'SURVIVED') return { verdict: 'FAILED', detail: result.detail };
  }
  return { verdict: 'ok', detail: '' };
};

const seconds = (sinceMs) => ((performance.now() - sinceMs) / 1000).toFixed(1);

const chosen = process.argv.slice(2);
const mutants = readdirSync(HERE)
  .filter((file) => file.endsWith('.patch'))
  .map(readMutant)
  .filter(({ name }) => chosen.length === 0 || chosen.some((part) => name.includes(part)));

const folders = Array.from({ length: Math.min(COPIES_MAX, availableParallelism()) }, copySources);
let passed = 0;
let failed = 0;
const count = (name, sinceMs, { verdict, detail }) => {
  if (verdict === 'killed' || verdict === 'ok') passed += 1;
  else failed += 1;
  console.log(`${verdict.padEnd(8)} ${name} (${seconds(sinceMs)} s)${detail === '' ? '' : `: ${detail}`}`);
};

try {
  // Tests that fail without a defect would kill everything.
  const startedMs = performance.now();
  const whole = { workers: folders.length, timeoutMs: UNCHANGED_TIMEOUT_MS };
  count('the sources as they are', startedMs, await runUnchanged(folders[0], mutants, whole));
  const waiting = [...mutants];
  await Promise.all(
    folders.map(async (folder) => {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const sinceMs = performance.now();
        count(mutant.name, sinceMs, await runMutant(folder, mutant));
      }
    }),
  );
} finally {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
