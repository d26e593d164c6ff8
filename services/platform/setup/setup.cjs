// Runs before `npm start` and `npm test`: installs the dependencies and builds, each only if something changed.
// It may run on whatever Node the system has, before anything is installed: no dependency, no new syntax.
'use strict';

const { spawn } = require('node:child_process');
const { createHash } = require('node:crypto');
const { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { join, resolve } = require('node:path');

const root = resolve(__dirname, '../../..');
const installStamp = join(root, 'node_modules', '.tunan-install');
const buildStamp = join(root, 'node_modules', '.tunan-build');
const lock = join(root, '.tunan-setup');

/** Above what a slow machine and a slow registry need. */
const STEP_MS_MAX = 15 * 60 * 1000;
const PROGRESS_MS = 10 * 1000;
const LOCK_POLL_MS = 500;

/** Every workspace folder. */
const workspaces = ['libs', 'services'].flatMap((kind) =>
  readdirSync(join(root, kind)).map((name) => join(root, kind, name)),
);

/** All files below a folder, in a fixed order. */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) =>
      entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)],
    );
}

function digest(files) {
  const hash = createHash('sha256').update(process.platform + process.arch);
  for (const file of files)
    if (existsSync(file)) hash.update(file.slice(root.length)).update(readFileSync(file));
  return hash.digest('hex');
}

function isCurrent(stamp, value) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === value;
}

/** Runs a program within a time limit. What it prints is shown only if it fails. */
function run(what, command, args) {
  return new Promise((done, failed) => {
    process.stdout.write(`${what} …\n`);
    const startedMs = Date.now();
    const child = spawn(command, args, { cwd: root, env: childEnv(), stdio: ['ignore', 'pipe', 'pipe'] });
    const printed = [];
    child.stdout.on('data', (chunk) => printed.push(chunk));
    child.stderr.on('data', (chunk) => printed.push(chunk));
    const progress = setInterval(
      () => process.stdout.write(`  ${Math.round((Date.now() - startedMs) / 1000)} s\n`),
      PROGRESS_MS,
    );
    const limit = setTimeout(() => child.kill(), STEP_MS_MAX);
    const end = (error) => {
      clearInterval(progress);
      clearTimeout(limit);
      if (!error) return done();
      process.stderr.write(`${Buffer.concat(printed)}\n`);
      failed(new Error(`${what.toLowerCase()} failed: ${error}`));
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, signal) => end(code === 0 ? undefined : `it ended with ${signal || code}`));
  });
}

/** The pinned Node first, whatever the system has. */
function childEnv() {
  const bin = join(root, 'node_modules', '.bin');
  return Object.assign({}, process.env, {
    PATH: `${bin}:${process.env.PATH}`,
    NX_TUI: 'false',
    NX_DAEMON: 'false',
  });
}

async function install() {
  const manifests = workspaces.concat(root, join(root, 'test')).map((folder) => join(folder, 'package.json'));
  const wanted = digest(manifests.concat(join(root, 'package-lock.json')));
  if (isCurrent(installStamp, wanted)) return;
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  if (npm && npm.endsWith('.js')) await run('Installing dependencies', process.execPath, [npm].concat(args));
  else await run('Installing dependencies', 'npm', args);
  writeFileSync(installStamp, wanted);
}

async function build() {
  const sources = workspaces.flatMap((folder) =>
    filesBelow(join(folder, 'src')).concat(join(folder, 'package.json')),
  );
  const wanted = digest(sources.concat(join(root, '.swcrc'), join(root, 'package-lock.json')));
  const built = workspaces.every((folder) => existsSync(join(folder, 'dist')));
  if (built && isCurrent(buildStamp, wanted)) return;
  await run('Building', 'nx', ['run-many', '-t', 'build', '--outputStyle=static']);
  writeFileSync(buildStamp, wanted);
}

/** One set-up at a time: `npm start` and `npm test` would tear each other's dependencies down. */
async function takeTurn() {
  for (let waitedMs = 0; waitedMs <= STEP_MS_MAX; waitedMs += LOCK_POLL_MS) {
    try {
      mkdirSync(lock);
      writeFileSync(join(lock, 'pid'), String(process.pid));
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (waitedMs > 0 && !isAlive()) rmSync(lock, { recursive: true, force: true });
    else {
      if (waitedMs === 0) process.stdout.write('Another set-up is running here …\n');
      await new Promise((resume) => setTimeout(resume, LOCK_POLL_MS));
    }
  }
  throw new Error(`another set-up has not ended; if there is none, remove ${lock}`);
}

/** Whether the process that holds the lock still runs. */
function isAlive() {
  try {
    process.kill(Number(readFileSync(join(lock, 'pid'), 'utf8')) || process.pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function main() {
  await takeTurn();
  try {
    await install();
    await build();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

main().catch((error) => {
  process.stderr.write(`tunan: ${error.message}\n`);
  process.exit(1);
});
