import { beforeEach, describe, expect, it } from '@jest/globals';
import { Fault, type FaultCode } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { ChannelHealth } from './channel-health.js';

describe('ChannelHealth', () => {
  let clock: TestClock;
  let health: ChannelHealth;

  beforeEach(() => {
    clock = new TestClock();
    health = new ChannelHealth(clock, () => 0.5);
  });

  const fail = (code: FaultCode, times = 1, retryAfterMs?: number) => {
    for (let time = 0; time < times; time += 1)
      health.failed(
        'a',
        health.tryPass('a')!,
        new Fault(code, 'x', retryAfterMs === undefined ? {} : { retryAfterMs }),
      );
  };

  it('takes a channel that nobody has used for healthy', () => {
    expect([health.of('a'), health.state('a'), health.waitMs('a')]).toEqual([1, 'closed', 0]);
  });

  it.each<FaultCode>([
    'upstream_error',
    'upstream_timeout',
    'upstream_stream_cut',
    'upstream_overloaded',
    'service_unavailable',
  ])('opens after five times %s and lets one probe pass later', (code) => {
    fail(code, 5);
    expect([health.of('a'), health.state('a')]).toEqual([0, 'open']);
    expect(health.tryPass('a')).toBeUndefined();
    clock.advance(5_000);
    expect(health.state('a')).toBe('half-open');
    expect(health.of('a')).toBeGreaterThan(0);
    expect(health.of('a')).toBeLessThan(1);
    const probe = health.tryPass('a')!;
    expect([health.of('a'), health.tryPass('a')]).toEqual([0, undefined]);
    health.succeeded('a', probe);
    expect(health.of('a')).toBe(1);
  });

  it('lets a channel rest as long as its provider asks, and does not count it as failure', () => {
    fail('upstream_rate_limited', 1, 30_000);
    expect([health.of('a'), health.state('a'), health.waitMs('a')]).toEqual([0, 'cooling', 30_000]);
    clock.advance(30_000);
    expect([health.of('a'), health.state('a')]).toEqual([1, 'closed']);
  });

  it('lets no channel rest for what its provider had no part in', () => {
    fail('connections_taken', 20, 1_000);
    expect([health.of('a'), health.state('a'), health.waitMs('a')]).toEqual([1, 'closed', 0]);
  });

  it.each<[FaultCode, number]>([
    ['upstream_rate_limited', 5_000],
    ['no_channel_available', 10_000],
  ])('lets a channel rest after %s for %d ms by itself', (code, ms) => {
    fail(code);
    expect(health.waitMs('a')).toBe(ms);
  });

  // Guarantee: a bad credential is tried again by one request a minute, so that a repaired one is noticed.
  it.each<[FaultCode, number]>([
    ['upstream_auth', 60_000],
    ['upstream_quota', 60_000],
    ['upstream_model_missing', 300_000],
  ])('takes a channel out after one %s and probes it after %d ms', (code, ms) => {
    fail(code);
    expect([health.of('a'), health.waitMs('a')]).toEqual([0, ms]);
    clock.advance(ms);
    expect(health.tryPass('a')).toBeDefined();
    expect(health.tryPass('a')).toBeUndefined();
  });

  it.each<FaultCode>(['invalid_value', 'content_filter', 'context_length_exceeded', 'upstream_rejected'])(
    'takes %s for a sign of life',
    (code) => {
      fail('upstream_error', 4);
      fail(code);
      fail('upstream_error', 4);
      expect(health.state('a')).toBe('closed');
    },
  );

  // Guarantee: no customer opens a channel's breaker for the others, nor closes it, by giving up or by asking for haste.
  it.each<FaultCode>(['client_closed', 'deadline_exceeded'])('learns nothing from %s', (code) => {
    fail(code, 10);
    expect(health.state('a')).toBe('closed');
    fail('upstream_error', 4);
    fail(code);
    fail('upstream_error');
    expect(health.state('a')).toBe('open');
  });

  // Guarantee: an account without money, or a key that is refused, is not met once per model.
  it.each<[FaultCode, boolean, boolean]>([
    ['upstream_auth', true, true],
    ['upstream_quota', true, true],
    ['upstream_rate_limited', true, false],
    ['upstream_quota_window', true, true],
    ['upstream_free_quota', true, false],
    ['upstream_model_missing', true, false],
    ['upstream_error', false, false],
    ['upstream_forbidden', false, false],
    ['no_channel_available', false, false],
    ['connections_taken', false, false],
  ])('%s spares channels of the same model: %s, of the same credential: %s', (code, model, credential) => {
    const sharers = { credential: ['same-model', 'same-key'], model: ['same-model'] };
    health.failed('a', health.tryPass('a')!, new Fault(code, 'x'), sharers);
    expect([health.of('same-model') === 0, health.of('same-key') === 0]).toEqual([model, credential]);
    expect(health.of('other')).toBe(1);
  });

  it('forgets channels that are gone', () => {
    fail('upstream_error', 5);
    health.retain(new Set(['b']));
    expect(health.of('a')).toBe(1);
  });
});
