import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSimulator, type RunningSimulator } from '@tunan/simulator/testing';
import { REPOSITORY } from '@tunan/testing';

const ENTRY = join(REPOSITORY, 'services/connector/dist/live-check/main.js');
const TIMEOUT_MS = 60_000;

const run = (env: Record<string, string>): Promise<{ readonly code: number; readonly output: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [ENTRY], { env, timeout: TIMEOUT_MS }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: stdout + stderr }),
    );
  });

/** The live check of providers, on providers that are there. */
describe('npm run providers:check', () => {
  let simulator: RunningSimulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.stop());

  const keys = (key: string): Record<string, string> => ({
    DEEPSEEK_API_KEY: key,
    DASHSCOPE_API_KEY: key,
    ZHIPU_API_KEY: key,
    MINIMAX_API_KEY: key,
    DEEPSEEK_BASE_URL: simulator.baseUrls.deepseek,
    DASHSCOPE_BASE_URL: simulator.baseUrls.qwen,
    ZHIPU_BASE_URL: simulator.baseUrls.glm,
    MINIMAX_BASE_URL: simulator.baseUrls.minimax,
  });

  it('says that there are no keys, and is content', async () => {
    const { code, output } = await run({});
    expect(code).toBe(0);
    expect(output).toBe(
      ['deepseek', 'qwen', 'glm', 'minimax'].map((provider) => `${provider}: no key, not checked\n`).join(''),
    );
  });

  it('answers of every inferred fact whether it holds', async () => {
    // It does not count as it is told to: what it says is laid down.
    simulator.script({ provider: 'minimax', model: 'MiniMax-M3' }, { say: '1 2 3 4 5 6 7 8 9' });
    const { code, output } = await run(keys('sim-check'));
    expect([code, output.match(/^ {2}FAILED.*/gm)]).toEqual([0, null]);
    expect(output.match(/^ {2}ok .*/gm)).toHaveLength(8);
    // The simulator is built after what we believe of the providers: it confirms all of it that can be asked.
    expect(output.match(/^ {2}REFUTED.*/gm)).toBeNull();
    expect(new Set(output.match(/^ {2}unclear.*/gm))).toEqual(
      new Set([
        '  unclear    who is turned away is not told for how long (Retry-After) (nothing was turned away)',
      ]),
    );
    expect(output.match(/^ {2}confirmed.*/gm)!.length).toBeGreaterThan(15);
    expect(output).not.toContain('sim-check');
  }, 90_000);

  it('fails where a provider does not answer', async () => {
    const { code, output } = await run(keys('bad'));
    expect(code).toBe(1);
    expect(output.match(/^ {2}FAILED.*/gm)).toHaveLength(8);
  }, 90_000);
});
