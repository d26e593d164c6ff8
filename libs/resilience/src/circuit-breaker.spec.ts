import { beforeEach, describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { BREAKER_DEFAULTS, CircuitBreaker } from './circuit-breaker.js';

/** The middle of every jitter. */
const steady = () => 0.5;

describe('CircuitBreaker', () => {
  let clock: TestClock;
  let breaker: CircuitBreaker;

  beforeEach(() => {
    clock = new TestClock();
    breaker = new CircuitBreaker(clock, steady);
  });

  const fail = (times = 1) => {
    for (let time = 0; time < times; time += 1) breaker.failed(breaker.tryPass()!);
  };
  const succeed = (times = 1) => {
    for (let time = 0; time < times; time += 1) breaker.succeeded(breaker.tryPass()!);
  };

  it('opens at the fifth failure in a row', () => {
    fail(4);
    succeed();
    fail(4);
    expect(breaker.state).toBe('closed');
    fail();
    expect(breaker.state).toBe('open');
    expect(breaker.tryPass()).toBeUndefined();
    expect(breaker.waitMs).toBe(BREAKER_DEFAULTS.openMs);
  });

  it('opens at half of at least 20 in 10 s', () => {
    for (let pair = 0; pair < 9; pair += 1) {
      succeed();
      fail();
    }
    succeed();
    expect(breaker.state).toBe('closed');
    fail();
    expect(breaker.state).toBe('open');
  });

  it('forgets failures that are older than its window', () => {
    for (let round = 0; round < 10; round += 1) {
      succeed();
      fail();
      clock.advance(2_000);
    }
    expect(breaker.state).toBe('closed');
  });

  it('stays closed below half of many', () => {
    for (let round = 0; round < 50; round += 1) {
      succeed(3);
      fail(2);
    }
    expect(breaker.state).toBe('closed');
  });

  // Guarantee: a provider that recovers meets one request first, not all of them.
  it('lets one probe pass when it is half-open', () => {
    fail(5);
    clock.advance(BREAKER_DEFAULTS.openMs);
    expect(breaker.state).toBe('half-open');
    const probe = breaker.tryPass();
    expect(probe).toBeDefined();
    expect(breaker.passable).toBe(false);
    expect(breaker.tryPass()).toBeUndefined();
    breaker.succeeded(probe!);
    expect(breaker.state).toBe('closed');
    fail(4);
    expect(breaker.state).toBe('closed');
  });

  it('opens for twice as long with each probe that fails, up to a minute', () => {
    fail(5);
    const waits: number[] = [];
    for (let probe = 0; probe < 6; probe += 1) {
      clock.advance(breaker.waitMs);
      breaker.failed(breaker.tryPass()!);
      waits.push(breaker.waitMs);
    }
    expect(waits).toEqual([10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
  });

  it('lets another probe pass when one tells nothing or is lost', () => {
    fail(5);
    clock.advance(BREAKER_DEFAULTS.openMs);
    breaker.released(breaker.tryPass()!);
    const lost = breaker.tryPass();
    expect(lost).toBeDefined();
    clock.advance(BREAKER_DEFAULTS.probeMsMax);
    const next = breaker.tryPass();
    expect(next).toBeDefined();
    breaker.failed(lost!);
    expect(breaker.state).toBe('half-open');
    breaker.succeeded(next!);
    expect(breaker.state).toBe('closed');
  });

  // Guarantee: answers to calls from before a change of state can't undo it.
  it('ignores outcomes of calls that passed before it opened', () => {
    const old = breaker.tryPass()!;
    fail(5);
    breaker.succeeded(old);
    expect(breaker.state).toBe('open');
    clock.advance(BREAKER_DEFAULTS.openMs);
    breaker.failed(old);
    expect(breaker.passable).toBe(true);
  });

  it('opens when it is tripped, for as long as asked', () => {
    const old = breaker.tryPass()!;
    breaker.trip(60_000);
    breaker.succeeded(old);
    expect(breaker.waitMs).toBe(60_000);
    clock.advance(60_000);
    breaker.succeeded(breaker.tryPass()!);
    expect(breaker.state).toBe('closed');
  });

  it.each([
    [0, 4_000],
    [1 - Number.EPSILON, 6_000],
  ])('spreads its probes: chance %d waits %d ms', (chance, waitMs) => {
    breaker = new CircuitBreaker(clock, () => chance);
    fail(5);
    expect(Math.round(breaker.waitMs)).toBe(waitMs);
  });
});
