import { beforeEach, describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { Watchdog, type Expiry } from './watchdog.js';

describe('Watchdog', () => {
  let clock: TestClock;
  let watchdog: Watchdog;
  let expired: Expiry[];

  beforeEach(() => {
    clock = new TestClock();
    expired = [];
    watchdog = new Watchdog(clock, (expiry) => expired.push(expiry));
  });

  it('ends a phase that lasts too long, once', () => {
    watchdog.begin('connect', 1_000);
    clock.advance(999);
    expect(expired).toEqual([]);
    clock.advance(1);
    clock.advance(10_000);
    expect(expired).toEqual(['connect']);
  });

  it('replaces one phase by the next', () => {
    watchdog.begin('connect', 1_000);
    clock.advance(500);
    watchdog.begin('first-content', 5_000);
    clock.advance(4_999);
    expect(expired).toEqual([]);
    clock.advance(1);
    expect(expired).toEqual(['first-content']);
  });

  it('has no limit left when the phase is over', () => {
    watchdog.begin('connect', 1_000);
    watchdog.endPhase();
    clock.advance(100_000);
    expect(expired).toEqual([]);
  });

  // Guarantee: keep-alives count as bytes and not as payload.
  it('tells silence of bytes from silence of payload', () => {
    watchdog.watchBytes(1_000);
    watchdog.watchPayload(3_000);
    for (let turn = 0; turn < 5; turn += 1) {
      clock.advance(500);
      watchdog.bytes();
    }
    expect(expired).toEqual([]);
    clock.advance(500);
    expect(expired).toEqual(['idle']);
  });

  it('lets payload go on for ever', () => {
    watchdog.watchBytes(1_000);
    watchdog.watchPayload(1_000);
    for (let turn = 0; turn < 50; turn += 1) {
      clock.advance(900);
      watchdog.bytes();
      watchdog.payload();
    }
    expect(expired).toEqual([]);
    clock.advance(1_000);
    expect(expired).toEqual(['idle']);
  });

  it('does not count silence that it asked for', () => {
    watchdog.watchBytes(1_000);
    watchdog.pause();
    clock.advance(60_000);
    expect(expired).toEqual([]);
    watchdog.resume();
    clock.advance(999);
    expect(expired).toEqual([]);
    clock.advance(1);
    expect(expired).toEqual(['idle']);
  });

  it('ends at the latest time, also while paused', () => {
    watchdog.endBy(clock.monotonicMs() + 5_000, 'total');
    watchdog.endBy(clock.monotonicMs() + 9_000, 'deadline');
    watchdog.pause();
    clock.advance(5_000);
    expect(expired).toEqual(['total']);
  });

  it('says whose limit the earlier end was', () => {
    watchdog.endBy(clock.monotonicMs() + 9_000, 'total');
    watchdog.endBy(clock.monotonicMs() + 5_000, 'deadline');
    clock.advance(5_000);
    expect(expired).toEqual(['deadline']);
  });

  it('costs no timer per chunk', () => {
    watchdog.watchBytes(1_000);
    for (let chunk = 0; chunk < 100; chunk += 1) {
      watchdog.bytes();
      watchdog.payload();
    }
    expect(clock.waiting).toBe(1);
    watchdog.stop();
    expect(clock.waiting).toBe(0);
  });
});
