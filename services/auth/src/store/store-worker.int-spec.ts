import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { finalEventId, SystemClock } from '@tunan/kernel';
import { SqliteAdmissionStore } from './sqlite-admission-store.js';
import { SqliteJournal, StoreLockedError } from './sqlite-journal.js';
import { openInlineChannel, openWorkerChannel, type HostOptions } from './store-channel.js';
import {
  ACCOUNT,
  aHold,
  anAdmission,
  aProfile,
  aPublication,
  aSettlement,
  TOKEN,
} from './testing/builders.js';
import { compileStore, type CompiledStore } from './testing/compiled-store.js';
import { TEST_LIMITS } from './testing/memory-admission-store.js';
import { grant, heat } from './testing/store-harness.js';

const QUEUE = { waitingMax: 1_000, timeoutMs: { fast: 10_000, patient: 10_000 } };
const SILENT = { reply: () => undefined, death: () => undefined };

/** Settles one request after another and says so, until it is killed. */
const SETTLER = `
import { SystemClock } from '@tunan/kernel';
import { openStore } from './store/open-store.js';

const [folder, limits, queue, publication, admission, settlement] = process.argv.slice(2).map((text) =>
  JSON.parse(text, (_, value) => (typeof value === 'string' && /^\\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value)),
);
const store = await openStore({ folder, bytesMax: 1e9, limits, queue }, new SystemClock());
await store.publish([publication], await store.generation());
for (let number = 0; ; number += 1) {
  const requestId = process.pid + '-' + number;
  const { hold } = await store.admit({ ...admission, requestId });
  const result = await store.settle({ ...settlement, hold });
  console.log(JSON.stringify([hold.requestId, result.outcome]));
}
`;

const argument = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? `${member}n` : member));

describe('the store on a thread of its own', () => {
  let compiled: CompiledStore;
  let folder: string;
  let options: HostOptions;
  beforeAll(() => {
    compiled = compileStore();
  });
  afterAll(() => compiled.remove());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tunan-admission-'));
    options = {
      journal: { file: join(folder, 'admission.sqlite'), bytesMax: 1_000_000_000 },
      limits: { ...TEST_LIMITS, outboxMax: 1_000_000 },
    };
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const script = (): URL => compiled.url('store/store-worker.js');
  const open = (): Promise<SqliteAdmissionStore> =>
    SqliteAdmissionStore.open(
      (listener) => openWorkerChannel(options, listener, script()),
      new SystemClock(),
      QUEUE,
    );

  it('answers as it does on this thread, many calls at once, and keeps what it answered', async () => {
    let store = await open();
    await heat(store);
    const grants = await Promise.all(Array.from({ length: 50 }, () => grant(store, { ceiling: 1 })));
    const settled = await Promise.all(grants.map(({ hold }) => store.settle(aSettlement(hold))));
    expect(settled.every((result) => result.outcome === 'settled' && !result.repeated)).toBe(true);
    const generation = await store.generation();
    await store.close();
    store = await open();
    expect(await store.generation()).toBe(generation);
    expect(await store.stats()).toMatchObject({ pending: 50, outboxDepth: 50 });
    await store.close();
    await expect(store.stats()).rejects.toMatchObject({ code: 'service_unavailable' });
  });

  it('refuses a folder that another host uses, with one line', async () => {
    const store = await open();
    const second = open();
    await expect(second).rejects.toThrow(StoreLockedError);
    await expect(second).rejects.toThrow(
      /^another process uses the admission store .*: stop it, or choose another data folder$/,
    );
    await store.close();
  });

  it('tells why it could not open', async () => {
    options = { ...options, journal: { ...options.journal, file: join(folder, 'no', 'such', 'folder') } };
    await expect(open()).rejects.toThrow('unable to open database file');
  });

  it('notices that its thread has died', async () => {
    const path = compiled.script(
      'dying-worker.js',
      `import { parentPort } from 'node:worker_threads';
       parentPort.on('message', () => { throw new Error('struck by lightning'); });
       parentPort.postMessage({ generation: 'short' });`,
    );
    const death = new Promise<string>((resolve) => {
      void openWorkerChannel(options, { ...SILENT, death: resolve }, pathToFileURL(path)).then((channel) =>
        channel.send('[]'),
      );
    });
    expect(await death).toContain('struck by lightning');
  });

  it('does not wait for a thread that ends before it is open', async () => {
    const path = compiled.script('empty-worker.js', 'export {};');
    await expect(openWorkerChannel(options, SILENT, pathToFileURL(path))).rejects.toThrow(
      'ended before it was open',
    );
  });

  // Guarantee: a settlement that was answered survives kill -9, whenever that comes, again and again.
  it('has after kill -9 everything that it answered', async () => {
    const child = compiled.script('settler.mjs', SETTLER);
    const limits = { rpm: 1_000_000_000, tpm: 1_000_000_000_000, concurrency: 10 };
    const publication = aPublication({ profile: aProfile({ limits }) });
    const admission = anAdmission({ ceiling: 1 });
    const settlement = aSettlement(aHold());
    const answered: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const process_ = spawn(
        process.execPath,
        [
          child,
          argument(folder),
          ...[options.limits, QUEUE, publication, admission, settlement].map(argument),
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const exited = once(process_, 'exit');
      const enough = answered.length + 150 + 101 * round;
      for await (const line of createInterface({ input: process_.stdout })) {
        const [requestId, outcome] = JSON.parse(line) as [string, string];
        expect(outcome).toBe('settled');
        if (answered.push(requestId) === 1)
          expect(() => new SqliteJournal(options.journal)).toThrow(StoreLockedError);
        if (answered.length === enough) process_.kill('SIGKILL');
      }
      expect(await exited).toEqual([null, 'SIGKILL']);
    }
    expect(answered.length).toBeGreaterThanOrEqual(3 * 150);
    const store = await SqliteAdmissionStore.open(
      (listener) => openInlineChannel(options, listener),
      new SystemClock(),
      QUEUE,
    );
    const events = await store.readOutbox(0, 1_000_000);
    const inOutbox = new Set(events.map(({ event }) => event.id));
    expect(answered.filter((requestId) => !inOutbox.has(finalEventId(requestId)))).toEqual([]);
    // At most one per round was settled and killed before it was told.
    expect(events.length - answered.length).toBeLessThanOrEqual(3);
    const again = await store.settle(aSettlement(aHold({ requestId: answered[0]! })));
    expect(again).toMatchObject({ outcome: 'settled', repeated: true });
    await store.publish([publication], await store.generation());
    const seen = await store.inspect(ACCOUNT, 'key_1', 'nothing');
    const { balance } = publication.ledger!;
    expect(seen).toMatchObject({
      left: balance - BigInt(events.length) * 150n * TOKEN,
      requests: events.length,
    });
    await store.close();
  }, 60_000);
});
