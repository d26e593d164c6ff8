import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Hold, Limits, SettleRequest } from '@tunan/contracts';
import { TestClock } from '@tunan/kernel/testing';
import { createLogger } from '@tunan/service-kit';
import { FakeAuth } from '../testing/fake-auth.js';
import { SERVED, SERVED_USAGE } from '../testing/scripted-router.js';
import { Settlement, type Ending } from './settlement.js';

const LEASE_MS = 60_000;
const TICK_MS = 250;

/** Between an admission and the arrival of its grant. */
const GRANT_MS = 700;

const ENDING: Ending = {
  outcome: 'completed',
  usage: SERVED_USAGE,
  deliveredTokens: 5,
  served: SERVED,
  workedFor: true,
  lapses: true,
};

const HOLD: Hold = {
  requestId: 'r1',
  accountId: 'acc_1',
  keyId: 'key_1',
  model: 'deepseek-chat',
  operation: 'chat',
  stream: false,
  catalogVersion: 1,
  completions: 1,
  promptLikely: 10,
  promptBound: 20,
  ceiling: 500,
  amount: 1_000_000n,
  windowTokens: 100,
  admittedAtMs: 1_700_000_000_000,
};

const LIMITS: Limits = {
  requests: { limit: 60, remaining: 59, resetMs: 60_000 },
  tokens: { limit: 500_000, remaining: 495_000, resetMs: 60_000 },
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('Settlement', () => {
  let auth: FakeAuth;
  let clock: TestClock;
  let settlement: Settlement;
  let admittedMs: number;
  let warnings: number;
  beforeEach(() => {
    auth = new FakeAuth();
    clock = new TestClock();
    warnings = 0;
    const logger = createLogger('warn', { write: () => void (warnings += 1) });
    admittedMs = clock.monotonicMs();
    clock.advance(GRANT_MS);
    settlement = new Settlement(auth, clock, logger, HOLD, LEASE_MS, LIMITS, undefined, () => 1);
  });

  it('knows the limits of the admission, nearer to their reset, until it knows those after the settlement', async () => {
    clock.advance(20_000);
    expect(settlement.limits).toEqual({
      requests: { limit: 60, remaining: 59, resetMs: 40_000 },
      tokens: { limit: 500_000, remaining: 495_000, resetMs: 40_000 },
    });
    const after = { ...LIMITS, tokens: { limit: 500_000, remaining: 499_990, resetMs: 35_000 } };
    auth.limitsAfter = after;
    clock.advance(5_000);
    await settlement.settle(ENDING);
    expect(settlement.limits).toEqual(after);
    clock.advance(70_000);
    expect([settlement.limits.requests.resetMs, settlement.limits.tokens.resetMs]).toEqual([0, 0]);
  });

  it('keeps the limits of the admission if the settlement says nothing of them', async () => {
    clock.advance(1_000);
    await settlement.settle(ENDING);
    expect(settlement.limits.tokens).toEqual({ limit: 500_000, remaining: 495_000, resetMs: 59_000 });
  });

  const storeTime = (): number => HOLD.admittedAtMs + clock.monotonicMs() - admittedMs;

  /** What was asked for, and when by the store's clock, until the settlement ended. */
  const settled = async (ending: Ending) => {
    const tries: { readonly request: SettleRequest; readonly atMs: number }[] = [];
    auth.onSettle = (request) => tries.push({ request, atMs: storeTime() });
    let ended = false;
    const result = settlement
      .settle(ending)
      .catch(() => 'failed' as const)
      .finally(() => (ended = true));
    for (let step = 0; step < 1_000 && !ended; step += 1) {
      await turn();
      if (!ended) clock.advance(50);
    }
    return { tries, result: await result };
  };

  // Guarantee: an answer with an error status is not charged by a settlement that arrives afterwards.
  it('that lapses is given up only when the store makes it no more', async () => {
    auth.settleFailures = 1_000;
    const { tries, result } = await settled(ENDING);
    expect(result).toBe('failed');
    const [lapsesAtMs, ...others] = new Set(tries.map(({ request }) => request.lapsesAtMs));
    expect(others).toEqual([]);
    expect(tries.filter(({ atMs }) => atMs >= lapsesAtMs!)).toEqual([tries.at(-1)]);
    expect(tries.length).toBeGreaterThan(3);
    expect(tries.length).toBeLessThan(10);
  });

  // Guarantee: a bill that was durable in time is found, also by the last question; then the answer is served.
  it('that lapses has the charge that a try made whose answer was lost', async () => {
    auth.settleFailures = 5;
    const { tries, result } = await settled(ENDING);
    expect(tries.at(-1)!.atMs).toBeGreaterThanOrEqual(tries[0]!.request.lapsesAtMs!);
    expect(result).toMatchObject({ cost: 5_200n });
  });

  it('that does not lapse is tried a few times, and may be made at any time', async () => {
    auth.settleFailures = 1_000;
    const { tries, result } = await settled({ ...ENDING, outcome: 'cut', lapses: false });
    expect(result).toBe('failed');
    expect(tries.map(({ request }) => request.lapsesAtMs)).toEqual(Array(4).fill(undefined));
  });

  describe('of a stream', () => {
    const cut: Ending = { ...ENDING, lapses: false };
    beforeEach(() => {
      const logger = createLogger('error', { write: () => void (warnings += 1) });
      const hold = { ...HOLD, stream: true };
      settlement = new Settlement(auth, clock, logger, hold, LEASE_MS, LIMITS, undefined, () => 1);
    });
    /** Until nothing is tried any more; how long that took. */
    const over = async (): Promise<number> => {
      const beganMs = clock.monotonicMs();
      let isOver = false;
      void settlement.over.then(() => (isOver = true));
      for (let step = 0; step < 10_000 && !isOver; step += 1) {
        await turn();
        if (!isOver) clock.advance(250);
      }
      expect(isOver).toBe(true);
      return clock.monotonicMs() - beganMs;
    };

    // Guarantee: auth away for longer than a client is kept waiting gives nothing away that was delivered.
    it('goes on after its client was told of an error, with its lease and its progress, as cut off', async () => {
      auth.settleFailures = 7;
      expect(await settled(cut)).toMatchObject({ result: 'failed' });
      expect(auth.settlements).toEqual([]);
      await over();
      expect(auth.settlements).toMatchObject([{ outcome: 'cut', usage: SERVED_USAGE, deliveredTokens: 5 }]);
      expect(auth.settlements[0]).not.toHaveProperty('lapsesAtMs');
      expect(auth.renewals).toMatchObject([5, 5, 5].map((deliveredTokens) => ({ deliveredTokens })));
    });

    it('is given up after ten minutes, at a rate that grows no less than the lease is renewed', async () => {
      auth.settleFailures = 1_000;
      await settled(cut);
      const tries = 1_000 - auth.settleFailures;
      const tookMs = await over();
      expect(tookMs).toBeGreaterThanOrEqual(600_000);
      expect(tookMs).toBeLessThan(620_000);
      expect(1_000 - auth.settleFailures - tries).toBeLessThan(60);
      expect(auth.settlements).toEqual([]);
      expect(warnings).toBe(2);
    });

    it.each([
      ['failed before content', { ...cut, outcome: 'failed' as const }],
      ['lapses', ENDING],
    ])('does not go on where it %s', async (_, ending) => {
      auth.settleFailures = 20;
      await settled(ending);
      expect(await over()).toBe(0);
      expect(auth.settlements).toEqual([]);
    });
  });

  // Guarantee: while auth is away an open exchange neither asks at every tick nor fills the log.
  it('renews less and less often while that fails, and warns once', async () => {
    const tickFor = async (ms: number): Promise<number> => {
      const before = auth.renewals.length;
      for (let passed = 0; passed < ms; passed += TICK_MS) {
        clock.advance(TICK_MS);
        settlement.renewIfDue(clock.monotonicMs(), 5, () => undefined);
        await turn();
      }
      return auth.renewals.length - before;
    };
    expect(await tickFor(LEASE_MS)).toBe(4);
    auth.renewal = 'away';
    const asked = await tickFor(10 * LEASE_MS);
    // One per quarter of the lease, and those until the waits have grown to that.
    expect(asked).toBeGreaterThanOrEqual(40);
    expect(asked).toBeLessThanOrEqual(46);
    expect(warnings).toBe(1);
    auth.renewal = 'renewed';
    expect(await tickFor(LEASE_MS)).toBe(4);
    auth.renewal = 'away';
    await tickFor(LEASE_MS);
    expect(warnings).toBe(2);
  });
});
