import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { AccountState } from '../domain/account-state.js';
import { SqliteJournal, StoreLockedError } from './sqlite-journal.js';
import { StoreHost } from './store-host.js';
import { ACCOUNT, aHold, anAdmission, aProfile, aPublication, aSettlement } from './testing/builders.js';
import { TEST_LIMITS } from './testing/memory-admission-store.js';

const GENEROUS = 1_000_000_000;

describe('SqliteJournal', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tunan-journal-'));
    file = join(folder, 'store.sqlite');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const open = (bytesMax = GENEROUS): StoreHost =>
    new StoreHost(new TestClock(), TEST_LIMITS, new SqliteJournal({ file, bytesMax }));
  const settleOne = (host: StoreHost): void => {
    const admitted = host.apply('admit', [anAdmission({ ceiling: 1 })]);
    if (admitted.outcome !== 'granted') throw new Error(admitted.outcome);
    host.apply('settle', [aSettlement(admitted.hold)]);
  };
  const rows = (table: string): number => {
    const database = new DatabaseSync(file);
    try {
      return Number(database.prepare(`SELECT count(*) AS rows FROM ${table}`).get()!['rows']);
    } finally {
      database.close();
    }
  };

  it('gives a new file a generation of its own, which it keeps', () => {
    const first = open();
    const { generation } = first;
    first.close();
    const again = open();
    expect(again.generation).toBe(generation);
    again.close();
    rmSync(file);
    const other = open();
    expect(other.generation).not.toBe(generation);
    other.close();
  });

  // Guarantee: a second host on the same data folder fails with one clear line and harms nothing.
  it('is held by one host at a time', () => {
    const holder = open();
    expect(() => open()).toThrow(StoreLockedError);
    expect(() => open()).toThrow(`another process uses the admission store ${file}`);
    holder.apply('publish', [[aPublication()], null]);
    holder.close();
    const next = open();
    expect(next.apply('accountIds', [null, 10]).accountIds).toEqual([ACCOUNT]);
    next.close();
  });

  it('folds its log into the tables, and loads the same from both', () => {
    let host = open();
    host.apply('publish', [[aPublication()], host.generation]);
    for (let settled = 0; settled < 260; settled += 1) settleOne(host);
    const stats = host.apply('stats', []);
    host.close();
    // 521 commits: one fold at 500 of them, the rest in the log.
    expect(rows('log')).toBeLessThan(100);
    expect(rows('request')).toBeGreaterThan(200);
    host = open();
    expect(host.apply('stats', [])).toEqual(stats);
    expect(host.apply('readOutbox', [1_000])).toHaveLength(260);
    host.apply('ackOutbox', [Number.MAX_SAFE_INTEGER]);
    host.close();
    host = open();
    expect(host.apply('stats', [])).toMatchObject({ outboxDepth: 0, pending: 260, tombstones: 260 });
    host.close();
  });

  // Guarantee: what left the outbox does not come back with a restart, wherever the log was folded.
  it.each([1, 2, 3, 4, 5])('keeps what is acknowledged through a fold after %d rows', (foldRows) => {
    const fold = (): StoreHost =>
      new StoreHost(new TestClock(), TEST_LIMITS, new SqliteJournal({ file, bytesMax: GENEROUS, foldRows }));
    let host = fold();
    host.apply('publish', [[aPublication()], host.generation]);
    settleOne(host);
    settleOne(host);
    const [first] = host.apply('readOutbox', [1]);
    host.apply('ackOutbox', [first!.seq]);
    host.close();
    host = fold();
    expect(host.apply('stats', [])).toMatchObject({ pending: 2, outboxDepth: 1, tombstones: 2 });
    host.close();
  });

  // Guarantee: no settlement is missing after a loss of power. SQLite waits for the disk at a commit under FULL alone.
  it('waits for the disk at the commits that ask for it, and at no other', () => {
    const opened: DatabaseSync[] = [];
    class Watched extends DatabaseSync {
      constructor(...args: ConstructorParameters<typeof DatabaseSync>) {
        super(...args);
        opened.push(this);
      }
    }
    const journal = new SqliteJournal({ file, bytesMax: GENEROUS }, Watched);
    journal.load();
    const [database] = opened;
    const modes = [true, false, false, true, true].map((durable) => {
      const hold = aHold();
      const held = { kind: 'held', hold, lowered: false, deliveredTokens: 0, leaseEndsMs: 0 } as const;
      journal.commit({
        accounts: new Set(),
        records: new Map([[hold.requestId, held]]),
        ackedSeq: 0,
        incomplete: true,
        durable,
      });
      return database!.prepare('PRAGMA synchronous').get()!['synchronous'];
    });
    const [FULL, NORMAL] = [2, 1];
    expect(modes).toEqual([FULL, NORMAL, NORMAL, FULL, FULL]);
    expect(database!.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    journal.close();
  });

  it('forgets in the file what the state machine forgot', () => {
    const clock = new TestClock();
    let host = new StoreHost(clock, TEST_LIMITS, new SqliteJournal({ file, bytesMax: GENEROUS }));
    for (let index = 0; index < 600; index += 1) host.apply('void', [`request-x-${index}`, ACCOUNT, false]);
    clock.advance(TEST_LIMITS.tombstoneMs);
    expect(host.apply('purge', [550])).toBe(550);
    host.close();
    host = new StoreHost(clock, TEST_LIMITS, new SqliteJournal({ file, bytesMax: GENEROUS }));
    expect(host.apply('stats', []).tombstones).toBe(50);
    for (let index = 0; index < 600; index += 1) host.apply('void', [`request-y-${index}`, ACCOUNT, false]);
    host.close();
    expect(rows('request')).toBeLessThan(650);
  });

  // Guarantee: a full disk refuses service; it loses nothing that was answered and corrupts nothing.
  it.each([300_000, 500_000, 700_000])('fails commits beyond %d bytes and keeps what it has', (bytesMax) => {
    let host = open(bytesMax);
    const limits = { rpm: 1_000_000, tpm: 1_000_000_000, concurrency: 10 };
    const read = () =>
      host.apply('publish', [[aPublication({ profile: aProfile({ limits }) })], host.generation]);
    read();
    let settled = 0;
    expect(() => {
      for (; settled < 5_000; settled += 1) settleOne(host);
    }).toThrow(/full/);
    expect(settled).toBeGreaterThan(50);
    expect(host.apply('stats', [])).toMatchObject({ outboxDepth: settled });
    host.close();
    host = open();
    expect(host.apply('stats', [])).toMatchObject({ outboxDepth: settled, pending: settled });
    read();
    settleOne(host);
    host.close();
  });

  it('leaves nothing of a commit that breaks off half-way', () => {
    const journal = new SqliteJournal({ file, bytesMax: GENEROUS });
    const generation = journal.load().generation;
    const broken = {
      kind: 'held',
      hold: aHold({ amount: undefined as never }),
      lowered: false,
      deliveredTokens: 0,
      leaseEndsMs: 0,
    } as const;
    const commit = {
      accounts: new Set([new AccountState('acc_1')]),
      ackedSeq: 0,
      incomplete: true,
      durable: true,
    };
    expect(() => journal.commit({ ...commit, records: new Map([['a', broken]]) })).toThrow(TypeError);
    expect(journal.load()).toMatchObject({ generation, accounts: [], records: [] });
    const whole = { ...broken, hold: aHold() };
    journal.commit({ ...commit, records: new Map([[whole.hold.requestId, whole]]) });
    expect(journal.load()).toMatchObject({
      accounts: [{ id: 'acc_1' }],
      records: [{ kind: 'held', hold: whole.hold }],
    });
    journal.close();
  });

  it('refuses a file of another format', () => {
    open().close();
    const database = new DatabaseSync(file);
    database.exec(`UPDATE meta SET value = '999' WHERE name = 'format'`);
    database.close();
    expect(() => open()).toThrow('the admission store has format 999, this version reads 1');
  });

  it('leaves no write-ahead log behind after a clean end', () => {
    const host = open();
    host.apply('publish', [[aPublication()], host.generation]);
    host.close();
    expect(existsSync(`${file}-wal`)).toBe(false);
  });
});
