// `npm run test:clients`: the Python clients that the documentation names, against the whole platform.
// Needs Python and its package index. Without them the suite is skipped, loudly; with CI=true that is a failure.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const suite = fileURLToPath(new URL('python', import.meta.url));
const requirements = join(suite, 'requirements.txt');
const environments = join(suite, '.venv');

const INSTALL_MS_MAX = 15 * 60_000;
const READY_MS_MAX = 60_000;
const SUITE_MS_MAX = 15 * 60_000;
/** What the pinned packages have in common. */
const PYTHON = /^Python 3\.1[0-3]\./;

const say = (line) => console.log(`clients: ${line}`);

/** Ends without a result: skipped here, failed in CI. */
const skip = (reason) => {
  const strict = process.env.CI === 'true';
  console.log(`\n!!! ${strict ? 'FAILED' : 'SKIPPED'}: the Python clients were not tested: ${reason}`);
  console.log(`\n0 passed, ${strict ? 1 : 0} failed`);
  process.exit(strict ? 1 : 0);
};

const findPython = () =>
  ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10'].find((name) =>
    PYTHON.test(spawnSync(name, ['--version'], { encoding: 'utf8' }).stdout ?? ''),
  );

/** The Python of a virtual environment with the pinned packages. It is kept until a pin changes. */
const environment = () => {
  const python = findPython();
  if (python === undefined) return skip('there is no Python 3.10 to 3.13');
  const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const folder = join(environments, hash);
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return join(folder, 'bin/python');
  say(`installing the packages of ${requirements}; this takes minutes`);
  if (existsSync(environments))
    for (const old of readdirSync(environments)) rmSync(join(environments, old), { recursive: true });
  const install = [
    [python, ['-m', 'venv', folder]],
    [
      join(folder, 'bin/python'),
      [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--no-compile',
        '--disable-pip-version-check',
        '--requirement',
        requirements,
      ],
    ],
  ];
  for (const [command, args] of install) {
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: INSTALL_MS_MAX });
    if (status !== 0) return skip(`${command} ${args.join(' ')} failed:\n${stderr.slice(-2_000)}`);
  }
  writeFileSync(complete, '');
  return join(folder, 'bin/python');
};

/** Starts the platform and waits until it is ready. */
const startPlatform = async (dataDir) => {
  const readyFile = join(dataDir, 'ready.json');
  const entry = join(root, 'services/platform/dist/main.js');
  const args = ['--mode', 'embedded', '--data-dir', dataDir, '--port', '0', '--ready-file', readyFile];
  const child = spawn(process.execPath, [entry, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let printed = '';
  child.stderr.on('data', (chunk) => (printed = (printed + chunk).slice(-10_000)));
  const endMs = performance.now() + READY_MS_MAX;
  while (!existsSync(readyFile)) {
    if (child.exitCode !== null || performance.now() > endMs) {
      child.kill('SIGKILL');
      throw new Error(`the platform did not start:\n${printed}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { apiUrl } = JSON.parse(readFileSync(readyFile, 'utf8'));
  const stop = () =>
    new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill('SIGTERM');
    });
  return { apiUrl, stop };
};

/** Runs the suite and returns its exit code. */
const runSuite = (python, apiUrl, dataDir) =>
  new Promise((resolve) => {
    const child = spawn(python, ['-W', 'ignore', join(suite, 'run.py')], {
      cwd: dataDir,
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: SUITE_MS_MAX,
      env: {
        PATH: process.env.PATH,
        HOME: dataDir,
        TUNAN_BASE_URL: apiUrl,
        TUNAN_DATA_DIR: dataDir,
        TUNAN_NODE: process.execPath,
        TUNAN_CLI: join(root, 'services/cli/dist/main.js'),
        // Frameworks report their use to their makers unless told not to.
        CREWAI_DISABLE_TELEMETRY: 'true',
        CREWAI_TRACING_ENABLED: 'false',
        OTEL_SDK_DISABLED: 'true',
        LANGSMITH_TRACING: 'false',
      },
    });
    child.once('exit', (code) => resolve(code ?? 1));
  });

const python = environment();
const dataDir = mkdtempSync(join(tmpdir(), 'tunan-clients-'));
// The embedded database may run as another user, who has to reach its own folder below this one.
chmodSync(dataDir, 0o755);
const platform = await startPlatform(dataDir);
let code = 1;
try {
  code = await runSuite(python, platform.apiUrl, dataDir);
} finally {
  await platform.stop();
  rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
}
process.exit(code);
