import { mkdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@tunan/postgres/testing';
import {
  cliJson,
  eventually,
  freePorts,
  HostProcess,
  tempDir,
  type HostProcessOptions,
} from '@tunan/testing';
import { amountIn } from '../money/amounts.js';
import { auditBooks, readBooks, readGauges, untilSettled, type LedgerRow } from '../money/books.js';
import { callAsClient, inParallel, type ClientCall } from '../money/client-record.js';
import { chooseSeed, SeededRandom } from '../money/seeded-random.js';
import { priceOfTokens } from '../oracle/price-list.js';
import { readServedLog, type ServedCall } from '../oracle/served-log.js';
import type { ClientRecord } from '../oracle/verdict.js';

/*
 * The fault: the host is killed with -9, again and again, at random moments under load, and started again; some of these
 * starts are killed as well, the very first ones among them. Its database and the providers live on. What must hold: an
 * answer that was complete in its client's eyes costs exactly its price; any other costs between nothing and its whole
 * price; nothing is charged that was not served; who asks again by the same key pays once; an account whose credit runs out
 * meanwhile spends no more than it has; and what a dead process had set aside is free again once its lease has run out.
 */

/** Kills of a host that serves; each is followed by one of the host that takes its place, while that starts. */
const KILLS = 20;
/** Starts on an empty database that are killed before there is a first host. */
const FIRST_KILLS = 5;
/** How long a first start may last at least: it makes the database's tables. */
const FIRST_START_MS = 2_000;
/** Kills that must have come before their host was ready. Starts are not all equally long. */
const UNREADY_MIN = 10;
/** Clients that send one request after the other. Half of them ask again by the same key for what was cut. */
const CLIENTS = 12;
const CREDIT_USD = '2';
/** Clients of another account, whose credit is for a handful of requests: what the killed hosts had set aside binds it. */
const SHORT_CLIENTS = 3;
const SHORT_CREDIT_USD = '0.002';
const SHORT_CREDIT = 2_000_000n;
/** Requests of which one must be refused once nothing is set aside: more than that credit could pay. */
const SHORT_REQUESTS_MAX = 100;
const LEASE_MS = 2_000;
/** Lease of the last host. Well above the slack: two of them are told from one. */
const LAST_LEASE_MS = 10_000;
const SWEEP_MS = 200;
/**
 * What a busy machine may add to a lease and a sweep: the sweeper, its commit and a scrape may each have to wait for a
 * processor, a second at most.
 */
const SLACK_MS = 3_000;
/** The longest time that a host lives once it is ready. */
const LIFE_MS_MAX = 1_000;
/** Streams, of those that a kill cut off, that must have been charged for what was delivered. */
const LOST_MIN = 5;
/** Requests of which a client must have got the answer only when it asked again by the same key. */
const RESUMED_MIN = 5;
/** How often a client asks again at once by the same key. */
const RETRIES = 2;
/** What is asked again by the same key in the end at the same time. */
const RETRY_WIDTH = 24;
const SERVICES = 'account,auth,billing,connector,ingress,router';

const MODELS = ['deepseek-chat', 'qwen3.5-flash', 'glm-4-flash', 'minimax-m2.5'];
const TEXT = 'Later that year they moved the whole archive into a dry room upstairs. ';

interface Account {
  readonly accountId: string;
  readonly apiKey: string;
}

describe('a host that is killed under load', () => {
  const dir = tempDir();
  const seed = chooseSeed();
  const random = new SeededRandom(seed);
  const records: ClientRecord[] = [];
  const cleanups: (() => unknown)[] = [];
  let database: TestDatabase;
  let simulator: HostProcess;
  let host: HostProcess;
  let account: Account;
  let short: Account;
  let apiPort: number;
  /** How long the last start took until the host was ready. */
  let startMs = FIRST_START_MS;
  /** Hosts that were killed before they were ready. */
  let unready = 0;
  /** Requests by a key whose clients have no answer. */
  const unanswered: ClientCall[] = [];
  /** Resolves when the host that is being started can be used. */
  let nextHost: Promise<unknown> = Promise.resolve();
  let stopping = false;

  const platform = {
    get opsUrls() {
      return [host.facts.opsUrl];
    },
    cli: <Answer>(...args: string[]): Promise<Answer> =>
      cliJson([...args, '--data-dir', `${dir.path}/host`], {}),
  };

  const hostOptions = (leaseMs = LEASE_MS): HostProcessOptions => ({
    dataDir: `${dir.path}/host`,
    args: ['--target', SERVICES, '--port', String(apiPort)],
    env: {
      DATABASE_URL: database.url,
      SIMULATOR_URL: simulator.facts.simulatorUrl!,
      AUTH_LEASE_MS: String(leaseMs),
      AUTH_SWEEP_INTERVAL_MS: String(SWEEP_MS),
    },
  });

  const startHost = async (leaseMs = LEASE_MS): Promise<HostProcess> => {
    const sinceMs = performance.now();
    const started = await HostProcess.start(hostOptions(leaseMs));
    startMs = performance.now() - sinceMs;
    return started;
  };

  /** Kills a host at a random moment of its start, as long as that took the last time. */
  const killStart = async (): Promise<void> => {
    const wasReady = await HostProcess.startAndKill(hostOptions(), random.between(0, Math.round(startMs)));
    if (!wasReady) unready += 1;
  };

  beforeAll(async () => {
    cleanups.push(() => dir.remove());
    const [first, second] = await freePorts(2);
    apiPort = first!;
    for (const folder of ['host', 'simulator']) mkdirSync(`${dir.path}/${folder}`);
    database = await createTestDatabase();
    cleanups.push(() => database.drop());
    simulator = await HostProcess.start({
      dataDir: `${dir.path}/simulator`,
      args: ['--target', 'simulator', '--simulator-port', String(second)],
    });
    cleanups.push(() => simulator.stop());
    for (let kill = 0; kill < FIRST_KILLS; kill += 1) await killStart();
    host = await startHost();
    cleanups.push(() => host.stop());
    account = await openAccount('load', CREDIT_USD);
    short = await openAccount('short', SHORT_CREDIT_USD);
  }, 180_000);

  const openAccount = (name: string, creditUsd: string): Promise<Account> =>
    platform.cli(
      ...['account', 'create', '--email', `${name}@example.com`, '--credit', creditUsd],
      ...['--rpm', '1000000', '--tpm', '1000000000', '--concurrency', '1000'],
    );

  afterAll(async () => {
    stopping = true;
    for (const cleanup of cleanups.reverse()) await cleanup();
  }, 120_000);

  const aCall = (nonce: string, { apiKey }: Account, keyed: boolean): ClientCall => {
    const stream = random.next() < 0.7;
    const pace = stream
      ? `tokens=${random.between(5, 60)} chunk_delay_ms=${random.pick([0, 5, 20, 50])}`
      : `tokens=${random.between(5, 60)} header_delay_ms=${random.between(0, 500)}`;
    return {
      apiUrl: `http://127.0.0.1:${apiPort}/v1`,
      apiKey,
      nonce,
      idempotencyKey: keyed ? nonce : undefined,
      path: '/chat/completions',
      body: {
        model: random.pick(MODELS),
        max_tokens: 100,
        messages: [
          { role: 'user', content: `[[sim nonce=${nonce} ${pace}]] ${TEXT.repeat(random.between(3, 12))}` },
        ],
        ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
      },
    };
  };

  const ask = async (call: ClientCall): Promise<ClientRecord> => {
    const record = await callAsClient(call);
    records.push(record);
    return record;
  };

  /**
   * A client that goes on whatever happens to its requests. While there is no host it waits for the next one, without
   * credit for a host that may have freed some.
   */
  const runClient = async (name: string, account: Account, keyed: boolean): Promise<void> => {
    for (let count = 0; !stopping; count += 1) {
      const call = aCall(`${name}-${count}`, account, keyed);
      const askedOf = nextHost;
      let record = await ask(call);
      for (let retry = 0; keyed && retry < RETRIES && isCut(record) && !stopping; retry += 1) {
        await nextHost;
        record = await ask(call);
      }
      if (keyed && record.ending !== 'completed') unanswered.push(call);
      if (record.status === 402)
        await eventually('another host', () => stopping || nextHost !== askedOf, 120_000);
      else if (record.status !== 200) await nextHost;
    }
  };

  const killAndStart = async (leaseMs?: number): Promise<void> => {
    await host.kill();
    await killStart();
    host = await startHost(leaseMs);
  };

  /** What clients asked for by a key and did not get is asked for again: only answers of streams are not kept. */
  const askAgain = async (): Promise<string[]> => {
    const again = await inParallel(
      RETRY_WIDTH,
      unanswered.map((call) => () => ask(call)),
    );
    return again
      .filter(({ ending, stream, status }) => ending !== 'completed' && !(stream && status === 409))
      .map(({ nonce, ending, status }) => `${nonce}: asked again by its key it is ${ending}, ${status}`);
  };

  /** Requests of the short account until one is refused. */
  const spendTheRest = async (): Promise<void> => {
    for (let count = 0; count < SHORT_REQUESTS_MAX; count += 1) {
      const { status } = await ask(aCall(`rest-${count}`, short, false));
      if (status === 402) return;
    }
    throw new Error('the short account is never refused');
  };

  it(`${2 * KILLS} times charges what was served, once, and holds nothing beyond a lease`, async () => {
    const clients = [
      ...Array.from({ length: CLIENTS }, (_, client) =>
        runClient(`kill-${client}`, account, client % 2 === 0),
      ),
      ...Array.from({ length: SHORT_CLIENTS }, (_, client) => runClient(`short-${client}`, short, false)),
    ];
    for (let kill = 0; kill < KILLS; kill += 1) {
      const before = records.length;
      await eventually('requests are answered', () => records.length > before, 60_000);
      await new Promise((resolve) => setTimeout(resolve, random.between(0, LIFE_MS_MAX)));
      nextHost = killAndStart(kill === KILLS - 1 ? LAST_LEASE_MS : LEASE_MS);
      await nextHost;
    }
    // What a dead host held lives for one lease from the start of the last one, not a shorter or a longer time.
    const [readyMs, spawnedMs] = [performance.now(), performance.now() - startMs];
    stopping = true;
    await Promise.all(clients);
    await untilNothingIsHeld();
    const freeMs = performance.now();
    expect(freeMs - spawnedMs).toBeGreaterThanOrEqual(LAST_LEASE_MS);
    expect(freeMs - readyMs).toBeLessThan(LAST_LEASE_MS + SWEEP_MS + SLACK_MS);
    const notAnswered = await askAgain();
    await spendTheRest();
    await untilSettled(platform);

    const books = await readBooks(platform, account.accountId);
    const shortBooks = await readBooks(platform, short.accountId);
    const rows = [...books.rows, ...shortBooks.rows];
    const calls = await readServedLog(simulator.facts.simulatorUrl!);
    const lost = rows.filter(({ eventId }) => eventId.endsWith(':lost'));
    const problems = [
      ...notAnswered,
      ...auditBooks(books),
      ...auditBooks(shortBooks),
      ...auditLosses(rows),
      ...auditCharges(records, calls, rows),
      ...auditLost(records, calls, lost),
    ];
    if (problems.length > 0) throw new Error(`with MONEY_SEED=${seed}:\n${problems.slice(0, 40).join('\n')}`);
    expect(unready).toBeGreaterThanOrEqual(UNREADY_MIN);
    expect(records.filter(({ ending }) => ending === 'completed').length).toBeGreaterThan(KILLS);
    expect(records.filter(({ ending }) => ending === 'broken').length).toBeGreaterThan(KILLS);
    // Streams that died with their host after a renewal had told of content: that, and only that, was charged.
    expect(lost.filter(({ amount }) => amount < 0n).length).toBeGreaterThanOrEqual(LOST_MIN);
    expect(await available()).toBe(books.balance);
    // The short account: refused, and served for no more than its credit.
    expect(records.some(({ nonce, status }) => nonce.startsWith('short-') && status === 402)).toBe(true);
    const [{ amount: credit }] = shortBooks.rows as [LedgerRow];
    expect(credit).toBe(SHORT_CREDIT);
    expect(servedCost(records, calls)).toBeLessThanOrEqual(credit);
    const resumed = [...Map.groupBy(records, ({ nonce }) => nonce).values()].filter(
      (asked) => asked.length > 1 && asked.at(-1)!.ending === 'completed',
    );
    expect(resumed.length).toBeGreaterThanOrEqual(RESUMED_MIN);
  }, 900_000);

  const untilNothingIsHeld = (): Promise<unknown> =>
    eventually(
      'nothing is held',
      async () => (await readGauges(platform, ['tunan_auth_holds'])).get('tunan_auth_holds') === 0,
      60_000,
    );

  /** Credit that is neither spent nor set aside, as the refusal of a request says that no credit here could pay. */
  const available = async (): Promise<bigint> => {
    const answer = await fetch(`http://127.0.0.1:${apiPort}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${account.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'deepseek-reasoner',
        n: 8,
        max_tokens: 65_536,
        messages: [{ role: 'user', content: TEXT }],
      }),
    });
    expect(answer.status).toBe(402);
    return amountIn(/available is/, await answer.text());
  };
});

/** Whether an answer may be had by asking again. */
const isCut = ({ ending, status }: ClientRecord): boolean => ending === 'broken' || status >= 500;

/** Price of what the clients of the short account got whole, in nano-dollars. */
const servedCost = (records: readonly ClientRecord[], calls: readonly ServedCall[]): bigint => {
  const completed = records.filter(
    ({ nonce, ending }) => /^(?:short|rest)-/.test(nonce) && ending === 'completed',
  );
  const served = Map.groupBy(calls, ({ nonce }) => nonce);
  return completed.reduce((sum, { nonce, model }) => sum + wholePrice(model, served.get(nonce) ?? []), 0n);
};

/** Price of an answer. Beside the attempt that counts there may be others that failed, of which nobody pays. */
const wholePrice = (model: string, calls: readonly ServedCall[]): bigint =>
  calls
    .map(({ promptTokens, plannedTokens }) => priceOfTokens(model, promptTokens ?? 0, plannedTokens))
    .reduce((a, b) => (a > b ? a : b), 0n);

/** Every loss of ours that is not explained by a `final` that came after its `lost`. */
const auditLosses = (rows: readonly LedgerRow[]): string[] => {
  const lost = new Set(rows.map(({ eventId }) => eventId).filter((id) => id.endsWith(':lost')));
  return rows
    .filter(({ kind }) => kind === 'adjustment')
    .filter(({ eventId, requestId }) => !(eventId.endsWith(':final') && lost.has(`${requestId}:lost`)))
    .map(({ eventId, amount }) => `${eventId}: written off ${amount}`);
};

/** Every charge that its request can not have, or that a key has beside another. */
const auditCharges = (
  records: readonly ClientRecord[],
  calls: readonly ServedCall[],
  rows: readonly LedgerRow[],
): string[] => {
  const problems: string[] = [];
  const served = Map.groupBy(calls, ({ nonce }) => nonce);
  const charged = new Map<string, bigint>();
  for (const { requestId, amount } of rows)
    if (requestId !== null) charged.set(requestId, (charged.get(requestId) ?? 0n) - amount);
  const take = (requestId: string): bigint => {
    const amount = charged.get(requestId) ?? 0n;
    charged.delete(requestId);
    return amount;
  };
  for (const [nonce, asked] of Map.groupBy(records, ({ nonce }) => nonce)) {
    const own = served.get(nonce) ?? [];
    const { model, stream } = asked[0]!;
    const most = wholePrice(model, own);
    const what = `${nonce} (${model}, ${asked.map(({ ending, status }) => `${ending} ${status}`).join(', ')})`;
    const failed = asked
      .filter(({ ending }) => ending === 'error')
      .map(({ requestId }) => take(requestId ?? ''));
    if (failed.some((amount) => amount !== 0n)) problems.push(`${what}: charged ${failed} for an error`);
    const answered = new Set([...own, ...asked].map(({ requestId }) => requestId ?? ''));
    const amounts = [...answered].map(take).filter((amount) => amount !== 0n);
    if (amounts.some((amount) => amount < 0n || amount > most))
      problems.push(`${what}: charged ${amounts} of ${most}`);
    // A stream that was cut is charged for what was delivered, and not answered again by its key.
    const cuts = stream ? asked.filter(({ ending }) => ending === 'broken').length : 0;
    const completed = asked.filter(({ ending }) => ending === 'completed');
    if (amounts.length > Math.max(1, cuts + completed.length)) problems.push(`${what}: charged ${amounts}`);
    // That an answer was not kept is said of one that was given.
    if (stream && asked.at(-1)!.status === 409 && amounts.length === 0) problems.push(`${what}: not charged`);
    if (completed.some(({ cost }) => cost !== most) || (completed.length > 0 && !amounts.includes(most)))
      problems.push(
        `${what}: charged ${amounts}, shown ${completed[0]?.cost}, not ${most}; ${JSON.stringify(own)}`,
      );
  }
  for (const [requestId, amount] of charged)
    problems.push(`charged without being served: ${requestId} ${amount}`);
  return problems;
};

/**
 * Every charge for a lost request that is not for a stream, or more than its prompt and what the provider had handed
 * over by then. Both are estimated for it, by at most a tenth too high.
 */
const auditLost = (
  records: readonly ClientRecord[],
  calls: readonly ServedCall[],
  lost: readonly LedgerRow[],
): string[] => {
  const models = new Map(records.map(({ nonce, model }) => [nonce, model]));
  const served = Map.groupBy(calls, ({ requestId }) => requestId);
  return lost.flatMap(({ eventId, requestId, amount }) => {
    const own = served.get(requestId!) ?? [];
    const delivered = own
      .filter(({ stream }) => stream)
      .map(({ nonce, promptTokens, sentTokens }) =>
        priceOfTokens(models.get(nonce)!, promptTokens ?? 0, sentTokens),
      );
    const most = (delivered.reduce((a, b) => (a > b ? a : b), 0n) * 11n) / 10n;
    return -amount <= most ? [] : [`${eventId}: charged ${-amount} of ${most}; ${JSON.stringify(own)}`];
  });
};
