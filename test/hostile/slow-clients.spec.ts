import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@tunan/testing';
import { rightChat } from './hostile-case.js';
import { startHostileRig, type HostileRig } from './hostile-rig.js';

const ATTACKERS = fileURLToPath(new URL('attackers.mjs', import.meta.url));
const CONNECTIONS = 500;
const MIB = 1024 * 1024;

/** Memory that a connection may cost while it does harm: sockets, parser, what is read before its key is known. */
const BYTES_PER_CONNECTION = 256 * 1024;
/** What the process may vary by itself. */
const RSS_NOISE_BYTES = 48 * MIB;

const REQUESTS = 60;
const ROUNDS = 3;
/** A machine that is busy with other things can spoil a comparison, but not several times over. */
const ATTEMPTS = 4;
const RATIO_MAX = 2;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

describe('clients that are slow on purpose', () => {
  let rig: HostileRig;
  const running = new Set<ChildProcess>();

  beforeAll(async () => {
    rig = await startHostileRig();
    // The first calls compile code and open connections.
    await p99Ms();
  }, 240_000);

  afterEach(() => {
    for (const child of running) child.kill('SIGKILL');
    running.clear();
  });

  afterAll(async () => {
    expect(await rig.stop()).toBe(0);
  }, 60_000);

  const attack = async (kind: string): Promise<() => Promise<void>> => {
    const args = [ATTACKERS, String(rig.port), kind, String(CONNECTIONS), rig.actors.key];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    running.add(child);
    let printed = '';
    child.stdout.on('data', (bytes: Buffer) => (printed += bytes.toString()));
    await eventually(`${CONNECTIONS} attackers are there`, () => printed.includes('attacking'), 60_000);
    return async () => {
      child.kill('SIGKILL');
      await eventually('the attackers are gone', () => child.signalCode !== null || child.exitCode !== null);
      running.delete(child);
    };
  };

  const rssBytes = async (): Promise<number> =>
    Number(/^process_resident_memory_bytes (\d+)$/m.exec(await rig.metrics())![1]);

  /** 99th percentile of the time that a small call of somebody else takes, in milliseconds. */
  const p99Ms = async (): Promise<number> => {
    const times: number[] = [];
    for (let index = 0; index < REQUESTS; index += 1) {
      const startedMs = performance.now();
      const answer = await fetch(`${rig.host.facts.apiUrl}/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${rig.otherKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(rightChat),
      });
      await answer.arrayBuffer();
      expect(answer.status).toBe(200);
      times.push(performance.now() - startedMs);
    }
    return times.sort((a, b) => a - b)[Math.ceil(REQUESTS * 0.99) - 1]!;
  };

  /** Compares rounds with and without the attack, taken in turns, so that whatever else happens happens to both. */
  const compare = async (kind: string): Promise<{ ratio: number; rss: readonly number[] }> => {
    const [calm, attacked, rss]: [number[], number[], number[]] = [[], [], [await rssBytes()]];
    for (let round = 0; round < ROUNDS; round += 1) {
      calm.push(await p99Ms());
      const stop = await attack(kind);
      attacked.push(await p99Ms());
      rss.push(await rssBytes());
      await stop();
    }
    return { ratio: median(attacked) / median(calm), rss };
  };

  /** Attackers must not cost memory that grows with what they send, nor get anything past the edge. */
  const expectFlat = ([first, ...later]: readonly number[]): void => {
    expect(Math.max(...later) - first!).toBeLessThan(CONNECTIONS * BYTES_PER_CONNECTION + RSS_NOISE_BYTES);
    expect(later.at(-1)! - later[0]!).toBeLessThan(RSS_NOISE_BYTES);
  };

  it('500 connections that upload a byte now and then make nobody wait twice as long, and take no memory', async () => {
    const before = await rig.callsUpstream();
    let calls = 0;
    let ratio = Infinity;
    for (let attempt = 0; attempt < ATTEMPTS && ratio > RATIO_MAX; attempt += 1) {
      const result = await compare('slow-upload');
      calls += 2 * ROUNDS * REQUESTS;
      ratio = result.ratio;
      expectFlat(result.rss);
    }
    expect(ratio).toBeLessThanOrEqual(RATIO_MAX);
    expect((await rig.callsUpstream()) - before).toBe(calls);
  }, 900_000);

  it('500 connections that send 20 MiB with a key of nobody take no memory, and everybody else is served', async () => {
    const before = await rig.callsUpstream();
    const { rss } = await compare('unknown-key');
    expectFlat(rss);
    expect((await rig.callsUpstream()) - before).toBe(2 * ROUNDS * REQUESTS);
    await eventually('every hold has ended', async () => (await rig.holds()) === 0);
  }, 900_000);
});
