// `npm run check`: every static check that CI runs. All of them run, whatever fails; the closing line counts them.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (path) => join(root, 'node_modules', path);

/** Runs a program; its output is shown only if it fails. */
const program =
  (...args) =>
  () => {
    const result = spawnSync(process.execPath, args, {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      env: process.env,
    });
    if (result.status !== 0) throw new Error(`${result.stdout}${result.stderr}`);
  };

/** Every part tells in its own folder what it is. */
const readmes = () => {
  const missing = ['libs', 'services']
    .flatMap((kind) => readdirSync(join(root, kind)).map((name) => join(kind, name)))
    .filter((folder) => !existsSync(join(root, folder, 'README.md')));
  if (missing.length > 0) throw new Error(`no README.md: ${missing.join(', ')}`);
};

/** The lock file works with any registry. */
const lockFile = () => {
  if (/"resolved": "https?:/.test(readFileSync(join(root, 'package-lock.json'), 'utf8')))
    throw new Error('package-lock.json records download hosts; .npmrc has the setting that leaves them out');
};

const CHECKS = {
  format: program(bin('prettier/bin/prettier.cjs'), '--check', '--log-level', 'warn', '.'),
  types: program(bin('@typescript/native/bin/tsc'), '-p', 'tsconfig.json'),
  lint: program(bin('eslint/bin/eslint.js'), '--max-warnings', '0', '.'),
  'lint rules can fail': program('test/check/lint-fixtures.mjs'),
  'capability table': program('test/check/capabilities.mjs'),
  readmes,
  'lock file': lockFile,
};

let failed = 0;
for (const [name, check] of Object.entries(CHECKS)) {
  const startedMs = performance.now();
  try {
    check();
    console.log(`ok      ${name} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.message}`);
  }
}
console.log(`\n${Object.keys(CHECKS).length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
