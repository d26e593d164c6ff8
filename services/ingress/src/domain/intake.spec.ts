import { describe, expect, it } from '@jest/globals';
import type { Fault } from '@tunan/kernel';
import fc from 'fast-check';
import { Intake, type IntakeLimits, type IntakeParty, type Place } from './intake.js';

const paid = (accountId: string): IntakeParty => ({ accountId, tier: 'paid' });
const free = (accountId: string): IntakeParty => ({ accountId, tier: 'free' });

const TIER_CONCURRENCY = 1_000;
const limits = { requestsMax: 20, bodyBytesMax: 1_000, bodyBytesOne: 100, loopDelayMsMax: 250 };

const start = (of: IntakeLimits, loopDelayMs = () => 0, concurrency = TIER_CONCURRENCY): Intake =>
  new Intake(of, loopDelayMs, () => concurrency);

const faultOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as Fault).code;
  }
  return 'none';
};

describe('Intake', () => {
  it('refuses free requests at four fifths of a limit, and paid ones at the limit', () => {
    let delayMs = 0;
    const intake = start(limits, () => delayMs);
    for (let i = 0; i < 16; i += 1) intake.enter(paid(`a${i}`));
    expect(faultOf(() => intake.enter(free('f')))).toBe('overloaded');
    for (let i = 0; i < 4; i += 1) intake.enter(paid(`b${i}`));
    expect(faultOf(() => intake.enter(paid('p')))).toBe('overloaded');

    const late = start(limits, () => delayMs);
    delayMs = 1_000;
    for (let i = 0; i < 10; i += 1) late.enter(paid(`c${i}`));
    // Only now is there so much to do that refusing helps.
    delayMs = 201;
    expect(faultOf(() => late.enter(free('f')))).toBe('overloaded');
    expect(faultOf(() => late.enter(paid('p')))).toBe('none');
    delayMs = 251;
    expect(faultOf(() => late.enter(paid('p')))).toBe('overloaded');
  });

  it('lets no account take more than a quarter, and says that it is the account’s own doing', () => {
    const intake = start(limits);
    for (let i = 0; i < 5; i += 1) intake.enter(paid('greedy'));
    expect(faultOf(() => intake.enter(paid('greedy')))).toBe('rate_limit_exceeded');
    const place = intake.enter(paid('large'));
    place.take(250);
    expect(faultOf(() => place.take(1))).toBe('rate_limit_exceeded');
    expect(faultOf(() => intake.enter(paid('other')).take(250))).toBe('none');
  });

  // Guarantee: four accounts that never finish an upload do not keep others out.
  it('lets an account have so many requests on the way as it may have at once four times over, or eight', () => {
    const many = { ...limits, requestsMax: 4_096 };
    for (const [tierConcurrency, own, uploadsMax] of [
      [5, undefined, 20],
      [5, 50, 200],
      [5, 1, 8],
      [100, undefined, 400],
    ] as const) {
      const intake = start(many, undefined, tierConcurrency);
      const party = { ...free('a'), concurrency: own };
      const places: Place[] = [];
      for (let i = 0; i < uploadsMax; i += 1) places.push(intake.enter(party));
      expect(faultOf(() => intake.enter(party))).toBe('rate_limit_exceeded');
      expect(faultOf(() => intake.enter(free('b')))).toBe('none');
      places[0]!.arrived();
      places[0]!.leave();
      places[1]!.leave();
      expect(faultOf(() => intake.enter(party))).toBe('none');
      expect(faultOf(() => intake.enter(party))).toBe('none');
      expect(faultOf(() => intake.enter(party))).toBe('rate_limit_exceeded');
    }
  });

  it('always lets an account send one body of the largest size', () => {
    const intake = start({ ...limits, bodyBytesOne: 600 });
    expect(faultOf(() => intake.enter(paid('a')).take(600))).toBe('none');
  });

  it('counts bytes when they arrive, keeps them until the answer has ended, and refuses before reading when full', () => {
    const intake = start({ ...limits, bodyBytesOne: 1_000 });
    const first = intake.enter(paid('a'));
    const second = intake.enter(paid('b'));
    first.take(900);
    expect(faultOf(() => second.take(101))).toBe('overloaded');
    expect(intake.occupied).toEqual({ requests: 2, bytes: 900 });
    second.take(100);
    expect(faultOf(() => intake.enter(paid('c')))).toBe('overloaded');
    first.leave();
    expect(faultOf(() => intake.enter(paid('c')))).toBe('none');
  });

  /** Guarantee: in whatever order requests come, grow and end, nothing is ever above its limit and nothing is left behind. */
  it('never exceeds a limit and leaks nothing', () => {
    const step = fc.record({
      act: fc.constantFrom('enter', 'take', 'leave'),
      party: fc.record({
        accountId: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
        tier: fc.constantFrom('free' as const, 'paid' as const),
      }),
      which: fc.nat(30),
      bytes: fc.nat(400),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const intake = start({ ...limits, bodyBytesOne: 300 });
        const places: Place[] = [];
        for (const { act, party, which, bytes } of steps) {
          const place = places[which % Math.max(1, places.length)];
          if (act === 'enter') faultOf(() => places.push(intake.enter(party)));
          else if (act === 'take') faultOf(() => place?.take(bytes));
          else if (place !== undefined) places.splice(places.indexOf(place), 1)[0]!.leave();
          expect(intake.occupied.requests).toBe(places.length);
          expect(intake.occupied.requests).toBeLessThanOrEqual(limits.requestsMax);
          expect(intake.occupied.bytes).toBeLessThanOrEqual(limits.bodyBytesMax);
        }
        for (const place of places) place.leave();
        expect(intake.occupied).toEqual({ requests: 0, bytes: 0 });
      }),
    );
  });
});
