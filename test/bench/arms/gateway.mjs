import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, CORES, until } from '../child-process.mjs';
import { descendantsOf } from '../process-usage.mjs';
import { temporaryFolder } from '../temporary-folder.mjs';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const CLI = join(ROOT, 'services/cli/dist/main.js');
const START_MS = 90_000;
const SETTLED_MS = 60_000;
/** Asking costs the gateway CPU that is counted. */
const SETTLED_POLL_MS = 200;

/** An account that no limit holds back. */
const ACCOUNT = ['--email', 'bench@tunan.localhost', '--credit', '500000'].concat(
  ...['rpm', 'tpm', 'concurrency'].map((limit) => [`--${limit}`, '1000000000']),
);

/** Settings that let the mock answer for every provider. */
const providersAt = (url) =>
  Object.fromEntries(
    ['DEEPSEEK', 'DASHSCOPE', 'ZHIPU', 'MINIMAX'].flatMap((name) => [
      [`${name}_BASE_URL`, url],
      [`${name}_API_KEY`, 'the-mock-takes-any'],
    ]),
  );

/** How `npm start` of a checkout runs the host: the flags of Node, and what follows. */
export const startCommand = (root = ROOT) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const [, ...words] = scripts.start.split(' ');
  const entry = words.findIndex((word) => !word.startsWith('-'));
  return { flags: words.slice(0, entry), args: words.slice(entry) };
};

/** This gateway, everything on, in one process; its own Postgres beside it. */
export class Gateway {
  #answered = 0;

  /**
   * @param root the checkout to run, which is built
   * @param nodeFlags further flags of Node, for a profile
   */
  static async start(rig, { name = 'gateway', root = ROOT, nodeFlags = [] } = {}) {
    const folder = temporaryFolder('tunan-bench-');
    const ready = join(folder, 'ready.json');
    const { flags, args } = startCommand(root);
    const options = ['--port', '0', '--data-dir', folder, '--ready-file', ready];
    const child = new Child(
      process.execPath,
      [...flags, ...nodeFlags, join(root, args[0]), ...args.slice(1), ...options],
      {
        env: { ...providersAt(`http://127.0.0.1:${rig.port}`), TUNAN_DATA_DIR: '' },
      },
    );
    await until(() => existsSync(ready) || child.process.exitCode !== null, START_MS, 'the gateway');
    if (!existsSync(ready)) throw new Error(`the gateway did not start: ${child.output}`);
    // Only now, and all threads: Postgres, which it has started, keeps the run of all cores.
    if (CORES !== undefined)
      spawnSync('taskset', ['-a', '-p', '-c', String(CORES.measured), String(child.pid)]);
    return new Gateway(name, folder, child, JSON.parse(readFileSync(ready, 'utf8')));
  }

  constructor(name, folder, child, facts) {
    this.name = name;
    this.folder = folder;
    this.child = child;
    this.facts = facts;
    this.port = Number(new URL(facts.apiUrl).port);
    this.pids = [child.pid];
    this.apiKey = this.#makeAccount();
  }

  /** Counts answers that must be billed. */
  answered(count) {
    this.#answered += count;
  }

  /** Waits until the ledger has every answer that was counted and nothing is left in the outbox. */
  async settled() {
    await until(
      async () => (await this.#billed()) >= this.#answered,
      SETTLED_MS,
      'the ledger',
      SETTLED_POLL_MS,
    );
    await until(async () => (await this.#outbox()) === 0, SETTLED_MS, 'an empty outbox', SETTLED_POLL_MS);
    const billed = await this.#billed();
    if (billed !== this.#answered) throw new Error(`${this.#answered} answers, ${billed} in the ledger`);
  }

  get postgresPids() {
    return descendantsOf([this.child.pid]);
  }

  stop() {
    return this.child.stop();
  }

  #makeAccount() {
    const args = [CLI, 'account', 'create', ...ACCOUNT, '--json', '--data-dir', this.folder];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`no account: ${stderr}`);
    return JSON.parse(stdout).apiKey;
  }

  /** Answers of the account that the ledger has. */
  async #billed() {
    const answer = await fetch(`http://127.0.0.1:${this.port}/api/user/self`, {
      headers: { authorization: `Bearer ${this.apiKey}` },
    });
    if (!answer.ok) throw new Error(`the account's state: ${answer.status} ${await answer.text()}`);
    return (await answer.json()).data.request_count;
  }

  async #outbox() {
    const metrics = await (await fetch(`${this.facts.opsUrl}/metrics`)).text();
    return Number(/^tunan_auth_outbox_events (\d+)/m.exec(metrics)?.[1] ?? NaN);
  }
}
