import { beforeEach, describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import type { Commit } from './journal.js';
import { codecOf, type ArgumentsOf, type OperationName } from './operation-codec.js';
import { StoreHost, type OperationRow } from './store-host.js';
import { ACCOUNT, aHold, aLedger, anAdmission, aPublication, aSettlement } from './testing/builders.js';
import { TEST_LIMITS } from './testing/memory-admission-store.js';
import { MemoryJournal } from './testing/memory-journal.js';

const row = <Name extends OperationName>(name: Name, ...args: ArgumentsOf<Name>): OperationRow => [
  name,
  JSON.parse(JSON.stringify(codecOf(name).encodeArguments(args))),
];

describe('StoreHost', () => {
  let journal: MemoryJournal;
  let host: StoreHost;
  beforeEach(() => {
    journal = new MemoryJournal();
    host = new StoreHost(new TestClock(), TEST_LIMITS, journal);
    host.apply('publish', [[aPublication()], host.generation]);
  });

  const grant = () => {
    const result = host.apply('admit', [anAdmission()]);
    if (result.outcome !== 'granted') throw new Error(result.outcome);
    return result.hold;
  };

  it('answers the operations of a batch in their order, each seeing those before it', () => {
    const request = anAdmission();
    const results = host.run([
      row('admit', request),
      row('void', request.requestId, ACCOUNT, true),
      row('admit', request),
    ]);
    expect(results.map(([ok]) => ok)).toEqual([true, true, true]);
    expect(codecOf('admit').decodeResult(results[0]![1], [request]).outcome).toBe('granted');
    expect(codecOf('admit').decodeResult(results[2]![1], [request]).outcome).toBe('ended');
  });

  // Guarantee: nothing is answered, and nothing is believed, that is not at rest.
  it('fails every operation of a batch whose commit fails, and goes on from what was committed', () => {
    const hold = grant();
    journal.failNext(1);
    const results = host.run([row('settle', aSettlement(hold)), row('admit', anAdmission())]);
    expect(results).toEqual([
      [false, 'the journal is full'],
      [false, 'the journal is full'],
    ]);
    expect(host.apply('stats', [])).toMatchObject({ holds: 1, pending: 0, outboxDepth: 0, tombstones: 0 });
    expect(host.apply('settle', [aSettlement(hold)])).toMatchObject({ outcome: 'settled', repeated: false });
  });

  it('stays closed to operations while commits fail, and opens again by itself', () => {
    const hold = grant();
    journal.failNext(3);
    for (let failures = 0; failures < 3; failures += 1)
      expect(host.run([row('settle', aSettlement(hold))])).toEqual([[false, 'the journal is full']]);
    expect(host.run([row('settle', aSettlement(hold))])[0]![0]).toBe(true);
  });

  // Guarantee: a file that may be an older copy sells nothing, also where what was read from Postgres could not be kept.
  it('keeps an account cold whose reading could not be committed', () => {
    host = new StoreHost(new TestClock(), TEST_LIMITS, journal);
    const read = (): readonly unknown[] =>
      host.run([
        row('publish', [aPublication({ ledger: aLedger({ version: 2, balance: 0n }) })], host.generation),
      ])[0]!;
    const admit = () => host.apply('admit', [anAdmission()]).outcome;
    expect(admit()).toBe('cold');
    journal.failNext(1);
    expect(read()).toEqual([false, 'the journal is full']);
    expect(admit()).toBe('cold');
    expect(read()[0]).toBe(true);
    expect(admit()).toBe('denied');
    // What a commit has kept stays read, whatever happens to the next one.
    journal.failNext(1);
    host.run([row('void', 'request-x', ACCOUNT, true)]);
    expect(admit()).toBe('denied');
  });

  // Guarantee: a full disk for a moment makes no answer of before it fail: it is the same store on the same file.
  it('goes on with its life after a failed commit: what it admitted before is settled above the hold', () => {
    const hold = grant();
    journal.failNext(1);
    host.run([row('void', 'request-x', ACCOUNT, true)]);
    const above = aSettlement(hold, { charge: { ...aSettlement(hold).charge, cost: hold.amount + 1n } });
    expect(host.apply('settle', [above])).toMatchObject({
      outcome: 'settled',
      charge: { cost: hold.amount + 1n },
    });
  });

  it('does not begin to wait for the holds of a lost file again after a failed commit', () => {
    const clock = new TestClock();
    journal = new MemoryJournal();
    host = new StoreHost(clock, { ...TEST_LIMITS, returnMs: 20_000 }, journal);
    host.apply('publish', [[aPublication()], host.generation]);
    clock.advance(19_000);
    journal.failNext(1);
    host.run([row('void', 'request-x', ACCOUNT, true)]);
    expect(host.apply('admit', [anAdmission()])).toEqual({ outcome: 'incomplete', retryAfterMs: 1_000 });
    clock.advance(1_000);
    expect(host.apply('admit', [anAdmission()])).toMatchObject({ outcome: 'granted' });
  });

  it('has a batch wait for the disk exactly if it settles', () => {
    const durable: boolean[] = [];
    class Recording extends MemoryJournal {
      override commit(commit: Commit): void {
        durable.push(commit.durable);
        super.commit(commit);
      }
    }
    host = new StoreHost(new TestClock(), TEST_LIMITS, new Recording());
    host.run([row('admit', anAdmission()), row('settle', aSettlement(aHold())), row('admit', anAdmission())]);
    host.run([row('admit', anAdmission()), row('void', 'request-x', ACCOUNT, true)]);
    host.apply('renew', [aHold(), 1]);
    host.apply('settle', [aSettlement(aHold())]);
    expect(durable).toEqual([true, false, false, true]);
  });

  describe('with a disk that hangs', () => {
    const LAPSES_MS = 5_000;
    let clock: TestClock;
    let slow: MemoryJournal;
    /** What happens in the next commits, once what they write is at rest. */
    let inCommit: (() => void)[];
    /** Which commits wait for the disk. */
    let durable: boolean[];
    beforeEach(() => {
      durable = [];
      clock = new TestClock();
      inCommit = [];
      class Slow extends MemoryJournal {
        override commit(commit: Commit): void {
          super.commit(commit);
          durable.push(commit.durable);
          inCommit.shift()?.();
        }
      }
      slow = new Slow({ incomplete: false });
      host = new StoreHost(clock, TEST_LIMITS, slow);
      host.apply('publish', [[aPublication()], host.generation]);
    });
    const hang = (ms: number) => void (inCommit = [() => clock.advance(ms)]);
    const lapsing = (hold: ReturnType<typeof grant>) =>
      aSettlement(hold, { lapsesAtMs: hold.admittedAtMs + LAPSES_MS });
    const outcomes = (results: ReturnType<StoreHost['run']>, ...settlements: ReturnType<typeof lapsing>[]) =>
      settlements.map((settlement, index) => {
        const [ok, result] = results[index]!;
        return ok ? codecOf('settle').decodeResult(result, [settlement]) : result;
      });
    const events = () =>
      host.apply('readOutbox', [10]).map(({ requestId, charge }) => [requestId, charge?.cost]);

    // Guarantee: the client was told of an error meanwhile, and its next try is charged; so this one is not.
    it('unmakes a settlement that lapsed before it was at rest, in its place', () => {
      const [late, inTime] = [lapsing(grant()), aSettlement(grant())];
      hang(20_000);
      const batch = [late, inTime].map((settlement) => row('settle', settlement));
      expect(outcomes(host.run([...batch, row('readOutbox', 10)]), late, inTime)).toMatchObject([
        { outcome: 'refused' },
        { outcome: 'settled', repeated: false, charge: { cost: inTime.charge.cost } },
      ]);
      expect(host.apply('stats', [])).toMatchObject({ holds: 0, pending: 1, outboxDepth: 2 });
      expect(host.apply('readOutbox', [10])).toMatchObject([
        {
          requestId: late.hold.requestId,
          charge: { cost: 0n, usage: late.charge.usage, flags: ['uncharged'] },
          detail: { outcome: 'failed' },
        },
        { requestId: inTime.hold.requestId, charge: { cost: inTime.charge.cost } },
      ]);
      // Asked for again, with the lapse or without one, it is what it has become.
      expect(host.apply('settle', [late])).toEqual({ outcome: 'refused' });
      expect(host.apply('settle', [aSettlement(late.hold)])).toMatchObject({
        outcome: 'settled',
        charge: { cost: 0n },
      });
      host = new StoreHost(clock, TEST_LIMITS, slow);
      expect(events()).toEqual([
        [late.hold.requestId, 0n],
        [inTime.hold.requestId, inTime.charge.cost],
      ]);
    });

    it('makes it if the disk was in time, and asked alone refuses it as well if not', () => {
      const [inTime, late] = [lapsing(grant()), lapsing(grant())];
      hang(LAPSES_MS - 1);
      expect(host.apply('settle', [inTime])).toMatchObject({ outcome: 'settled', repeated: false });
      hang(1);
      expect(host.apply('settle', [late])).toEqual({ outcome: 'refused' });
      expect(host.apply('stats', [])).toMatchObject({ pending: 1 });
    });

    it('tells nobody of what may still be unmade', () => {
      const late = lapsing(grant());
      const rows = [
        row('settle', late),
        row('readOutbox', 10),
        row('findUsage', ACCOUNT, late.hold.requestId),
        row('settle', { ...late, lapsesAtMs: undefined }),
      ];
      hang(LAPSES_MS);
      const results = host.run(rows);
      expect(codecOf('readOutbox').decodeResult(results[1]![1], [10])).toEqual([]);
      expect(codecOf('findUsage').decodeResult(results[2]![1], [ACCOUNT, late.hold.requestId])).toBeNull();
      expect(outcomes(results.slice(3), late)).toMatchObject([{ outcome: 'settled', charge: { cost: 0n } }]);
    });

    it('unmakes it before anything else if that could not be committed at once, and waits for the disk', () => {
      const late = lapsing(grant());
      inCommit = [
        () => {
          clock.advance(LAPSES_MS);
          slow.failNext(2);
        },
      ];
      expect(host.run([row('settle', late)])).toEqual([[false, 'the journal is full']]);
      expect(host.run([row('readOutbox', 10)])).toEqual([[false, 'the journal is full']]);
      durable = [];
      expect(events()).toEqual([[late.hold.requestId, 0n]]);
      expect(durable).toEqual([true]);
      expect(host.apply('settle', [late])).toEqual({ outcome: 'refused' });
      host = new StoreHost(clock, TEST_LIMITS, slow);
      expect(events()).toEqual([[late.hold.requestId, 0n]]);
    });
  });

  // Guarantee: a batch costs one look at a file that can't be read, however many wait.
  it('fails a batch once if the state can not be read again', () => {
    let loads = 0;
    let isBroken = false;
    class Unreadable extends MemoryJournal {
      override load() {
        loads += 1;
        if (isBroken) throw new Error('the file can not be read');
        return super.load();
      }
    }
    journal = new Unreadable();
    host = new StoreHost(new TestClock(), TEST_LIMITS, journal);
    journal.failNext(1);
    host.run([row('void', 'request-x', ACCOUNT, true)]);
    isBroken = true;
    loads = 0;
    const batch = Array.from({ length: 100 }, () => row('admit', anAdmission()));
    expect(host.run(batch)).toEqual(batch.map(() => [false, 'the file can not be read']));
    expect(loads).toBe(1);
    // Nor if it was spoilt by one of their own.
    isBroken = false;
    host.run([row('void', 'request-y', ACCOUNT, true)]);
    isBroken = true;
    loads = 0;
    const spoilt = [...batch, ['nonsense' as OperationName, '[]'] as const];
    expect(host.run(spoilt)).toEqual(spoilt.map(() => [false, 'the file can not be read']));
    expect(loads).toBe(1);
    isBroken = false;
    expect(host.run(batch).every(([ok]) => ok)).toBe(true);
  });

  // Guarantee: one operation that can't be carried out does not fail its neighbours, nor leave half of itself.
  it('isolates an operation that throws', () => {
    const hold = grant();
    const results = host.run([
      row('admit', anAdmission()),
      ['settle', ['final', null, null]],
      ['nonsense' as OperationName, '[]'],
      row('settle', aSettlement(hold)),
    ]);
    expect(results.map(([ok]) => ok)).toEqual([true, false, false, true]);
    expect(host.apply('stats', [])).toMatchObject({ holds: 1, pending: 1, outboxDepth: 1 });
  });
});
