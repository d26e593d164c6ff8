// What a new user does: `npm start`, paste the printed curl line, stop, start again. Run by CI only, because it takes
// the default ports. The bounds are the promised ones: up within 4 minutes, again within 10 seconds.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const FIRST_START_MS_MAX = 240_000;
const RESTART_MS_MAX = 10_000;
const STOP_MS_MAX = 30_000;

const until = async (what, condition, timeoutMs) => {
  const endMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** `npm start` in a folder, from the first moment until it says that it is ready. */
const start = async (dataDir, timeoutMs) => {
  const startedMs = performance.now();
  const child = spawn('npm', ['start', '--', '--data-dir', dataDir], { cwd: root, detached: true });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk));
  child.once('exit', (code) => (printed += `\n[exit ${code}]`));
  try {
    await until('the platform is ready', () => /Ctrl-C stops it|\[exit/.test(printed), timeoutMs);
    if (printed.includes('[exit')) throw new Error('npm start ended');
  } catch (error) {
    process.kill(-child.pid, 'SIGKILL');
    throw new Error(`${error.message}\n${printed}`);
  }
  return { child, printed: () => printed, tookMs: performance.now() - startedMs };
};

/** Ctrl-C: the terminal sends the signal to the whole process group. */
const stop = async ({ child, printed }) => {
  process.kill(-child.pid, 'SIGINT');
  await until('npm start ends', () => printed().includes('[exit'), STOP_MS_MAX);
};

/** The command line that was printed, run by a shell as if it had been pasted. */
const paste = (command) =>
  execFileSync('bash', ['-c', `${command} --silent --show-error --max-time 30`], { encoding: 'utf8' });

const printedCurl = (printed) => {
  const match = /^ {2}curl [\s\S]*?'\{.*\}'$/m.exec(printed);
  if (match === null) throw new Error(`no curl line in:\n${printed}`);
  return match[0];
};

const dataDir = mkdtempSync(join(tmpdir(), 'tunan-first-'));
let passed = 0;
let failed = 0;
const step = async (name, action) => {
  try {
    const detail = await action();
    passed += 1;
    console.log(`ok      ${name}${detail ? ` (${detail})` : ''}`);
    return true;
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.message}`);
    return false;
  }
};

let running;
const started = await step('npm start is up within 4 minutes', async () => {
  running = await start(dataDir, FIRST_START_MS_MAX);
  return `${(running.tookMs / 1000).toFixed(1)} s`;
});
if (started) {
  const curl = printedCurl(running.printed());
  await step('the printed curl line answers', () => {
    const answer = JSON.parse(paste(curl));
    if (!answer.choices?.[0]?.message?.content || !answer.usage?.cost)
      throw new Error(JSON.stringify(answer));
  });
  await step('with "stream": true it streams', () => {
    const answer = paste(curl.replace('"model"', '"stream": true, "model"'));
    const frames = answer.split('\n\n').filter((frame) => frame.startsWith('data: '));
    if (frames.length < 3 || frames.at(-1) !== 'data: [DONE]') throw new Error(answer);
  });
  await step('Ctrl-C stops it', () => stop(running));
  await step('it is up again within 10 seconds, with its data', async () => {
    running = await start(dataDir, RESTART_MS_MAX);
    if (printedCurl(running.printed()) !== curl) throw new Error('another key or address than before');
    paste(curl);
    await stop(running);
    return `${(running.tookMs / 1000).toFixed(1)} s`;
  });
}
rmSync(dataDir, { recursive: true, force: true });
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
