// CPU that one admission and its settlement cost in the SQLite store: both threads, with the helper threads of V8.
// Build first, then: node services/auth/bench/store-cost.mjs [concurrency] [requests] [worker|inline]
// Figures of a shared machine vary by half; take the smallest of several runs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock, uuidv7 } from '@tunan/kernel';
import { SqliteAdmissionStore } from '../dist/store/sqlite-admission-store.js';
import { openInlineChannel, openWorkerChannel } from '../dist/store/store-channel.js';
import {
  aCharge,
  aHold,
  anAdmission,
  aProfile,
  aPublication,
  aSettlement,
} from '../dist/store/testing/builders.js';

const concurrency = Number(process.argv[2] ?? 64);
const requests = Number(process.argv[3] ?? 100_000);
const open = process.argv[4] === 'inline' ? openInlineChannel : openWorkerChannel;

const folder = mkdtempSync(join(tmpdir(), 'tunan-bench-'));
const host = {
  journal: { file: join(folder, 'admission.sqlite'), bytesMax: 8_000_000_000 },
  limits: {
    leaseMs: 60_000,
    returnMs: 0,
    tombstoneMs: 3_600_000,
    tombstonesMax: 500_000,
    outboxMax: 1_000_000,
  },
};
const batches = { count: 0, operations: 0 };
const store = await SqliteAdmissionStore.open((listener) => open(host, listener), new SystemClock(), {
  waitingMax: 10_000,
  timeoutMs: { fast: 10_000, patient: 10_000 },
  onBatch: ({ operations }) => {
    batches.count += 1;
    batches.operations += operations;
  },
});
const limits = { rpm: 1e12, tpm: 1e15, concurrency: 1e6 };
const publication = aPublication({ profile: aProfile({ limits }) });
publication.ledger.balance = 10n ** 18n;
await store.publish([publication], await store.generation());

const admission = anAdmission();
const settlement = aSettlement(aHold(), {
  charge: aCharge(100, 50),
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
});
let left = 0;
let latencies = [];
const client = async () => {
  while ((left -= 1) >= 0) {
    const startMs = performance.now();
    const { hold } = await store.admit({ ...admission, requestId: uuidv7() });
    await store.settle({ ...settlement, hold });
    latencies.push(performance.now() - startMs);
  }
};
const run = async (count) => {
  left = count;
  latencies = [];
  await Promise.all(Array.from({ length: concurrency }, client));
};
// What the relay and billing do, at a price that is not counted here: events leave the outbox.
const relay = setInterval(() => void store.ackOutbox(0, Number.MAX_SAFE_INTEGER).catch(() => undefined), 20);

await run(Math.ceil(requests / 10));
batches.count = batches.operations = 0;
const startMs = performance.now();
const cpu = process.cpuUsage();
const thread = process.threadCpuUsage();
await run(requests);
const all = process.cpuUsage(cpu);
const main = process.threadCpuUsage(thread);
const seconds = (performance.now() - startMs) / 1_000;
latencies.sort((a, b) => a - b);
const micros = ({ user, system }) => ((user + system) / requests).toFixed(1);
console.log(
  `${concurrency} at once: ${micros(all)} µs per request, of which ${micros(main)} on the calling thread; ` +
    `${(batches.operations / batches.count).toFixed(0)} operations per commit; ` +
    `${(requests / seconds).toFixed(0)} requests/s; ` +
    `p50 ${latencies[Math.floor(requests / 2)].toFixed(2)} ms, p99 ${latencies[Math.floor(requests * 0.99)].toFixed(2)} ms`,
);
clearInterval(relay);
await store.close();
rmSync(folder, { recursive: true, force: true });
