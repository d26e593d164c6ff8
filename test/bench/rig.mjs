import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, setFirst, until } from './child-process.mjs';
import { temporaryFolder } from './temporary-folder.mjs';

const WINDOW_MS_MAX = 120_000;
const PARTS = ['mock-upstream', 'load-generator', 'attackers'];
const ATTACK_MS_MAX = 30_000;

/** The mock upstream and the load generator: small C programs, so that neither is the bottleneck. */
export class Rig {
  /** @throws Error if there is no C compiler, or this is not Linux */
  static async start() {
    if (process.platform !== 'linux') throw new Error('the bench reads /proc: it runs on Linux only');
    const folder = temporaryFolder('tunan-rig-');
    for (const part of PARTS) {
      const source = fileURLToPath(new URL(`rig/${part}.c`, import.meta.url));
      const { status, stderr, error } = spawnSync('cc', ['-O2', '-o', join(folder, part), source], {
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(`the rig needs a C compiler named cc: ${error?.message ?? stderr}`);
    }
    const mock = new Child(join(folder, 'mock-upstream'), [], { core: 'rig' });
    return new Rig(folder, mock, await mock.port());
  }

  constructor(folder, mock, port) {
    this.folder = folder;
    this.mock = mock;
    this.port = port;
  }

  /**
   * Sends requests for one window and returns what the generator counted.
   * @param request its bytes, or `{ bytes, apiKeys }`: each request then has the next of the keys, which are as long as its own
   * @throws Error if an answer was cut, late, or of another status than expected
   */
  async load(
    port,
    request,
    { connections, requests = 0, seconds = 60, staggerUs = 0, status = 200, perAddress = 0, latency = false },
    during = () => undefined,
  ) {
    const args = [port, connections, requests, seconds, staggerUs, status, perAddress].map(String);
    const generator = new Child(join(this.folder, 'load-generator'), args, { core: 'rig' });
    if (latency) setFirst([generator.pid], true);
    const { bytes = request, apiKeys = [] } = request;
    generator.process.stdin.end(
      Buffer.concat([bytes, Buffer.from(apiKeys.map((key) => `\0${key}`).join(''))]),
    );
    const late = setTimeout(() => generator.process.kill('SIGKILL'), WINDOW_MS_MAX);
    const watching = during();
    const code = await generator.closed;
    clearTimeout(late);
    await watching;
    if (code !== 0) throw new Error(`the load generator ended with ${code}: ${generator.output}`);
    const counted = JSON.parse(generator.output);
    if (counted.wrong > 0)
      throw new Error(
        `${counted.wrong} of ${counted.answers} answers were not ${status}, but ${counted.wrongStatus}`,
      );
    return counted;
  }

  /**
   * Lets clients that mean harm loose on a port. Returns how to end them, which tells what they counted.
   * @throws Error unless all of them are there in time
   */
  async attack(port, { kind, connections, keys }) {
    const args = [port, kind, connections].map(String);
    const attackers = new Child(join(this.folder, 'attackers'), args, { core: 'rig', favoured: false });
    attackers.process.stdin.end(keys.join('\n'));
    const begun = () => attackers.output.includes('attacking') || attackers.process.exitCode !== null;
    await until(begun, ATTACK_MS_MAX, `${connections} attackers`);
    return async () => {
      await attackers.stop();
      await attackers.closed;
      return JSON.parse(/^\{.*\}$/m.exec(attackers.output)?.[0] ?? 'null');
    };
  }

  stop() {
    return this.mock.stop();
  }
}
