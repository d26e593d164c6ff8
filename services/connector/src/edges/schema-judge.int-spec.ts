import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { transformSync } from '@swc/core';
import { SystemClock } from '@tunan/kernel';
import { createLogger } from '@tunan/service-kit';
import { ThreadSchemaJudge, WAITING_PER_ACCOUNT_MAX } from './schema-judge.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const WORKER = 'services/connector/src/edges/schema-judge-worker.ts';
const SLOW = { type: 'string', pattern: '^(a+)+$' };
const SLOW_TEXT = JSON.stringify(`${'a'.repeat(60)}!`);
const INTEGER = { type: 'integer' };

/** Threads run compiled files only: those of the worker, from their sources. */
const compileWorker = (folder: string): URL => {
  const compile = (source: string, target: string): void => {
    const { code } = transformSync(readFileSync(join(ROOT, source), 'utf8'), {
      filename: source,
      configFile: join(ROOT, '.swcrc'),
    });
    writeFileSync(join(folder, target), code);
  };
  const llm = 'node_modules/@tunan/llm';
  mkdirSync(join(folder, llm), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules/@cfworker'), join(folder, 'node_modules/@cfworker'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  writeFileSync(
    join(folder, llm, 'package.json'),
    JSON.stringify({ name: '@tunan/llm', type: 'module', exports: './schema-judge.js' }),
  );
  for (const name of ['schema-judge', 'plain-schema'])
    compile(`libs/llm/src/${name}.ts`, `${llm}/${name}.js`);
  compile(WORKER, 'worker.js');
  return pathToFileURL(join(folder, 'worker.js'));
};

describe('the judge on a thread of its own', () => {
  let folder: string;
  let script: URL;
  let judge: ThreadSchemaJudge | undefined;
  const open = (url = script): ThreadSchemaJudge =>
    (judge = new ThreadSchemaJudge(new SystemClock(), createLogger('silent'), url));

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tunan-judge-'));
    script = compileWorker(folder);
  });
  afterEach(() => judge?.close());
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('says what is wrong', async () => {
    const thread = open();
    const judged = await Promise.all(['1', '"a"', 'no'].map((text) => thread.judge('a', INTEGER, text)));
    expect(judged).toEqual([undefined, expect.stringContaining('integer'), 'it is not JSON']);
  });

  // Guarantee: whoever's texts take for ever waits for them alone: another account's comes right after the one under way.
  it('takes accounts in turn', async () => {
    const thread = open();
    const order: string[] = [];
    const told = (who: string, judged: Promise<unknown>): Promise<unknown> =>
      judged.then(() => order.push(who));
    const slow = [1, 2, 3].map(() => told('slow', thread.judge('slow', SLOW, SLOW_TEXT)));
    await Promise.all([...slow, told('other', thread.judge('other', INTEGER, '1'))]);
    expect(order).toEqual(['slow', 'other', 'slow', 'slow']);
  });

  // Guarantee: the event loop goes on while a text is judged.
  it('leaves this thread free', async () => {
    let done = false;
    const slow = open()
      .judge('slow', SLOW, SLOW_TEXT)
      .then(() => (done = true));
    let turns = 0;
    while (!done) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
    }
    await slow;
    expect(turns).toBeGreaterThan(10);
  });

  it('refuses what an account has beyond its share, and no other account’s', async () => {
    const thread = open();
    const own = Array.from({ length: WAITING_PER_ACCOUNT_MAX + 1 }, () => thread.judge('a', INTEGER, '1'));
    await expect(thread.judge('a', INTEGER, '1')).rejects.toMatchObject({ code: 'overloaded' });
    await expect(thread.judge('b', INTEGER, '1')).resolves.toBeUndefined();
    await Promise.all(own);
  });

  // Guarantee: a thread that ends takes one answer with it, which is not passed for good, and is there for the next.
  it('fails the text under way when its thread ends, and begins again', async () => {
    const once = join(folder, 'once.js');
    const marker = JSON.stringify(join(folder, 'ended'));
    writeFileSync(
      once,
      `import { existsSync, writeFileSync } from 'node:fs';
       if (existsSync(${marker})) await import('./worker.js');
       else { writeFileSync(${marker}, ''); process.exit(1); }`,
    );
    const thread = open(pathToFileURL(once));
    const judged = await Promise.allSettled(['1', '2'].map((text) => thread.judge('a', INTEGER, text)));
    expect(judged).toMatchObject([
      { status: 'rejected', reason: { code: 'service_unavailable' } },
      { status: 'fulfilled', value: undefined },
    ]);
  });
});
