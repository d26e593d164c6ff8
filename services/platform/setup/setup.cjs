// Runs before `npm start` and `npm test`: installs the dependencies and builds, each only if something changed.
// It may run on whatever Node the system has, before anything is installed: no dependency, no new syntax.
'use strict';

const { spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const { existsSync, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join, resolve } = require('node:path');

const root = resolve(__dirname, '../../..');
const installStamp = join(root, 'node_modules', '.tunan-install');
const buildStamp = join(root, 'node_modules', '.tunan-build');

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

function run(what, command, args) {
  process.stdout.write(`${what} …\n`);
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: childEnv(),
  });
  if (result.status === 0) return;
  process.stdout.write(`${result.stdout || ''}\n`);
  process.stderr.write(`${result.stderr || ''}\n`);
  process.stderr.write(
    `tunan: ${what.toLowerCase()} failed${result.error ? `: ${result.error.message}` : ''}\n`,
  );
  process.exit(1);
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

function install() {
  const manifests = workspaces.concat(root, join(root, 'test')).map((folder) => join(folder, 'package.json'));
  const wanted = digest(manifests.concat(join(root, 'package-lock.json')));
  if (isCurrent(installStamp, wanted)) return;
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  if (npm && npm.endsWith('.js')) run('Installing dependencies', process.execPath, [npm].concat(args));
  else run('Installing dependencies', 'npm', args);
  writeFileSync(installStamp, wanted);
}

function build() {
  const sources = workspaces.flatMap((folder) =>
    filesBelow(join(folder, 'src')).concat(join(folder, 'package.json')),
  );
  const wanted = digest(sources.concat(join(root, '.swcrc'), join(root, 'package-lock.json')));
  const built = workspaces.every((folder) => existsSync(join(folder, 'dist')));
  if (built && isCurrent(buildStamp, wanted)) return;
  run('Building', 'nx', ['run-many', '-t', 'build', '--outputStyle=static']);
  writeFileSync(buildStamp, wanted);
}

install();
build();
