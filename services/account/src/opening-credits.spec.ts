import { describe, expect, it } from '@jest/globals';
import { Fault } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { pino } from 'pino';
import { Gauge, Registry } from 'prom-client';
import type { UnopenedAccount } from './edges/account-store.js';
import { OpeningCredits } from './opening-credits.js';

const away = () => new Fault('service_unavailable', 'away');

/** Accounts by id with what they are owed, a ledger by event id, and the failures that a test asks for. */
class World {
  readonly clock = new TestClock();
  readonly owed = new Map<string, bigint>();
  readonly ledger = new Map<string, bigint>();
  readonly attempts: string[] = [];
  readonly gauge = new Gauge({ name: 'waiting', help: 'test', registers: [new Registry()] });
  fails: (accountId: string) => Error | undefined = () => undefined;
  loseReply = false;
  hang = false;

  readonly openings = new OpeningCredits(
    {
      unopened: async (after, limit) =>
        [...this.owed]
          .map(([accountId, amount]): UnopenedAccount => ({ accountId, amount }))
          .filter(({ accountId }) => accountId > after)
          .sort((a, b) => (a.accountId < b.accountId ? -1 : 1))
          .slice(0, limit),
      markOpened: async (accountId) => void this.owed.delete(accountId),
    },
    {
      post: async ({ eventId, accountId, kind, amount }) => {
        this.attempts.push(accountId);
        if (this.hang) return new Promise(() => undefined);
        const failure = this.fails(accountId);
        if (failure !== undefined) throw failure;
        expect(kind).toBe('grant');
        const posted = !this.ledger.has(eventId);
        if (posted) this.ledger.set(eventId, amount);
        if (this.loseReply) throw away();
        return { balance: amount, posted };
      },
    },
    this.clock,
    pino({ level: 'silent' }),
    this.gauge,
  );

  /** Moves time on and lets everything that became due run to its end. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    for (let turns = 0; turns < 1_000; turns += 1) await Promise.resolve();
  }
}

describe('OpeningCredits', () => {
  it('opens an account in the call that made it', async () => {
    const world = new World();
    world.owed.set('acc_1', 5n);
    expect(await world.openings.open({ accountId: 'acc_1', amount: 5n })).toBe(true);
    expect([...world.ledger]).toEqual([['grant:acc_1', 5n]]);
    expect(world.owed.size).toBe(0);
  });

  // Guarantee: the caller is told the truth within five seconds, and a credit that could not be posted is posted later, once.
  it('goes on by itself where billing was away, and posts nothing twice', async () => {
    const world = new World();
    world.owed.set('acc_1', 5n);
    world.loseReply = true;
    expect(await world.openings.open({ accountId: 'acc_1', amount: 5n })).toBe(false);
    world.loseReply = false;
    world.openings.start();
    await world.pass(0);
    expect([...world.ledger]).toEqual([['grant:acc_1', 5n]]);
    expect(world.owed.size).toBe(0);
    await world.pass(60_000);
    expect(world.attempts).toEqual(['acc_1', 'acc_1']);
    await world.openings.stop();
  });

  it('does not wait longer than five seconds for billing', async () => {
    const world = new World();
    world.hang = true;
    const opened = world.openings.open({ accountId: 'acc_1', amount: 5n });
    await world.pass(5_000);
    expect(await opened).toBe(false);
  });

  it('backs off up to a minute while billing is away, one call per look', async () => {
    const world = new World();
    for (let i = 0; i < 5; i += 1) world.owed.set(`acc_${i}`, 1n);
    world.fails = away;
    world.openings.start();
    await world.pass(0);
    const seen: number[] = [];
    for (const ms of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
      await world.pass(ms - 1);
      seen.push(world.attempts.length);
      await world.pass(1);
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    world.fails = () => undefined;
    await world.pass(60_000);
    await world.pass(10_000);
    expect(world.owed.size).toBe(0);
    await world.openings.stop();
  });

  // Guarantee: an account whose credit the ledger refuses, or that breaks the call, does not keep others from theirs.
  it.each([
    ['refused', () => new Fault('invalid_value', 'another amount')],
    ['broken', () => new Error('boom')],
  ])('passes an account whose post is %s', async (_name, failure) => {
    const world = new World();
    for (let i = 0; i < 250; i += 1) world.owed.set(`acc_${String(i).padStart(3, '0')}`, 1n);
    world.fails = (accountId) => (accountId === 'acc_007' ? failure() : undefined);
    world.openings.start();
    for (let looks = 0; looks < 12; looks += 1) await world.pass(10_000);
    expect([...world.owed.keys()]).toEqual(['acc_007']);
    expect(world.ledger.size).toBe(249);
    expect((await world.gauge.get()).values[0]!.value).toBeLessThanOrEqual(1);
    await world.openings.stop();
  });

  it('stops: no timer and no look is left', async () => {
    const world = new World();
    world.openings.start();
    await world.pass(0);
    await world.openings.stop();
    expect(world.clock.waiting).toBe(0);
  });
});
