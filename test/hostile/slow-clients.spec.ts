import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, unsentConnections } from '@tunan/testing';
import { EndlessProvider } from './endless-provider.js';
import { rightChat } from './hostile-case.js';
import { startHostileRig, type HostileRig } from './hostile-rig.js';

const ATTACKERS = fileURLToPath(new URL('attackers.mjs', import.meta.url));
const CONNECTIONS = 500;
const MIB = 1024 * 1024;

/**
 * What the process may vary by itself once V8 has grown its heap, which it does by 120 MiB within the first thousands of
 * refusals: by -11 to 37 MiB where this was measured. That leaves less than 100 KiB for each connection, its socket included.
 */
const RSS_NOISE_BYTES = 48 * MIB;
const UPLOADS = ['unknown-key', 'unknown-keys'];
/**
 * CPU of one connection with a key of nobody, however much it sends: accepting, refusing and ending it take 0.3 ms on an
 * idle core, a multiple of that where others use the same one. To read 20 MiB would take 20 ms.
 */
const CPU_MS_PER_REFUSAL = 3;
const ROUNDS_WARM = 4;
const ROUNDS = 2;

/** What the kernel takes of a stream on loopback before it says stop is mostly 2.4 MiB. */
const KERNEL_BYTES_PER_STREAM = 3 * MIB;
/** Long enough for all streams to get stuck before the first of them is given up. */
const WRITE_STALL_MS = 90_000;
/** Where the machine is busy with other things a connection upstream may take too long, which is a 504 for its client. */
const STUCK_MIN = 0.9;
/** Memory of a stream that does not get on: what was read of it in one go, and the same for its client. */
const BYTES_PER_STREAM = 512 * 1024;

const REQUESTS = 60;
/** Nobody waits for minutes, on whatever machine: how much longer others wait is measured by the bench. */
const REQUEST_MS_MAX = 30_000;

/** 500, or as many as the kernel has buffers for: beyond that it holds up every connection of the machine. */
const streamsMax = (): number => {
  const pages = readFileSync('/proc/sys/net/ipv4/tcp_mem', 'latin1').trim().split(/\s+/).map(Number).at(-1)!;
  return Math.min(CONNECTIONS, Math.floor((0.7 * pages * 4_096) / KERNEL_BYTES_PER_STREAM));
};

describe('500 clients that are slow on purpose', () => {
  let rig: HostileRig;
  let provider: EndlessProvider;
  const running = new Set<ChildProcess>();

  beforeAll(async () => {
    provider = await EndlessProvider.start();
    rig = await startHostileRig({
      MINIMAX_API_KEY: 'sk-of-this-run',
      MINIMAX_BASE_URL: provider.url,
      INGRESS_WRITE_STALL_MS: String(WRITE_STALL_MS),
    });
    // The first calls compile code and open connections, the first attacks make the heap what it stays.
    await callAsOther();
    for (const kind of UPLOADS) {
      const rounds = await attack(kind, '');
      await callAsOther();
      await rounds(ROUNDS_WARM);
      endAttacks();
    }
  }, 400_000);

  const endAttacks = (): void => {
    for (const child of running) child.kill('SIGKILL');
    running.clear();
  };

  afterEach(async () => {
    endAttacks();
    await eventually('every hold has ended', async () => (await rig.holds()) === 0, 120_000);
    await rig.alive();
  }, 180_000);

  afterAll(async () => {
    expect(await rig.stop()).toBe(0);
    await provider.stop();
  }, 60_000);

  /** Begins an attack, and returns how to wait for further rounds of it: so many connections more. */
  const attack = async (
    kind: string,
    key: string,
    connections = CONNECTIONS,
  ): Promise<(rounds: number) => Promise<void>> => {
    const args = [ATTACKERS, String(rig.port), kind, String(connections), key];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    running.add(child);
    let rounds = 0;
    child.stdout.on('data', (bytes: Buffer) => (rounds += bytes.toString().split('\n').length - 1));
    await eventually(`${connections} attackers are there`, () => rounds > 0, 60_000);
    return async (more) => {
      const enough = rounds + more;
      await eventually(`${more} rounds more`, () => rounds >= enough, 120_000);
    };
  };

  const gauge = async (name: string): Promise<number> =>
    Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await rig.metrics())![1]);
  const rssBytes = () => gauge('process_resident_memory_bytes');
  const cpuMs = async () => (await gauge('process_cpu_seconds_total')) * 1_000;

  const call = async (key: string): Promise<void> => {
    const answer = await fetch(`${rig.host.facts.apiUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(rightChat),
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    });
    expect([answer.status, (await answer.text()).slice(0, 300)]).toEqual([200, expect.anything()]);
  };

  /** Somebody else, who is served whatever happens. */
  const callAsOther = async (): Promise<void> => {
    for (let index = 0; index < REQUESTS; index += 1) await call(rig.otherKey);
  };

  /** Attackers must not cost memory that grows with their number, but for `bytesEach`, nor with time. */
  const expectFlat = (before: number, [first, ...later]: [number, ...number[]], bytesEach = 0): void => {
    expect(Math.max(first, ...later) - before).toBeLessThan(CONNECTIONS * bytesEach + RSS_NOISE_BYTES);
    expect(later.at(-1)! - first).toBeLessThan(RSS_NOISE_BYTES);
  };

  it('that upload a byte now and then take no memory, call nothing, and others are served', async () => {
    const [calls, before] = [await rig.callsUpstream(), await rssBytes()];
    await attack('slow-upload', rig.actors.key);
    await callAsOther();
    const first = await rssBytes();
    await callAsOther();
    expectFlat(before, [first, await rssBytes()]);
    expect((await rig.callsUpstream()) - calls).toBe(2 * REQUESTS);
  }, 300_000);

  it('that open streams and read nothing take bounded memory, others are served, and all are given up', async () => {
    const streams = streamsMax();
    const { apiKey } = await rig.newAccount({ credit: '10000' });
    // From where many authentications have failed, a key that is not known is looked up a few at a time.
    await call(apiKey);
    const before = await rssBytes();
    await attack('never-read', apiKey, streams);
    await eventually('the streams are stuck', () => provider.stuck >= STUCK_MIN * streams, WRITE_STALL_MS);
    provider.fallSilent();
    expect(await rig.holds()).toBeGreaterThanOrEqual(STUCK_MIN * streams);
    await callAsOther();
    const first = await rssBytes();
    await callAsOther();
    expectFlat(before, [first, await rssBytes()], BYTES_PER_STREAM);
    // None of them leaves: it is the host that ends them, with all that was kept for them.
    await eventually('no hold is left', async () => (await rig.holds()) === 0, 180_000);
    await eventually('no call is left', () => provider.open === 0, 60_000);
    expect(unsentConnections(rig.port)).toBe(0);
  }, 400_000);

  // Keys of others that were never seen before come from the same address as those of nobody.
  it.each(UPLOADS)(
    'that send 20 MiB with %s of nobody take no memory and little CPU, and others are served, also with new keys',
    async (kind) => {
      const fresh = await rig.newKeys(10);
      const [calls, before] = [await rig.callsUpstream(), await rssBytes()];
      const rounds = await attack(kind, '');
      await callAsOther();
      // All 500 came in one moment: a key that is new then may be told to come back. Later they come one by one.
      await rounds(1);
      for (const key of fresh) await call(key);
      const [first, cpuBefore] = [await rssBytes(), await cpuMs()];
      await rounds(ROUNDS);
      expect(((await cpuMs()) - cpuBefore) / (ROUNDS * CONNECTIONS)).toBeLessThan(CPU_MS_PER_REFUSAL);
      await callAsOther();
      expectFlat(before, [first, await rssBytes()]);
      expect((await rig.callsUpstream()) - calls).toBe(2 * REQUESTS + fresh.length);
    },
    300_000,
  );
});
