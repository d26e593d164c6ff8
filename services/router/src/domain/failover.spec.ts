import { describe, expect, it } from '@jest/globals';
import { FAULTS, Fault, type FaultCode } from '@tunan/kernel';
import { afterFailure, noChannelFault, shownFault, type AttemptState } from './failover.js';

const codes = Object.keys(FAULTS) as FaultCode[];
const state = (over: Partial<AttemptState> = {}): AttemptState => ({
  attempts: 1,
  attemptsMax: 3,
  channelsLeft: 1,
  retries: 0,
  remainingMs: 60_000,
  ...over,
});
const after = (code: FaultCode, over: Partial<AttemptState> = {}) =>
  afterFailure(new Fault(code, 'x'), state(over), () => 0.5).step;
const fault = (code: FaultCode, retryAfterMs?: number) =>
  new Fault(code, 'public', { internal: 'secret', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });

describe('afterFailure', () => {
  const betweenStages: FaultCode[] = ['no_channel_available', 'service_unavailable'];

  it.each(codes.filter((code) => !betweenStages.includes(code)))('follows the fault table: %s', (code) => {
    const expected = { never: 'stop', next: 'next', 'same-then-next': 'retry' }[FAULTS[code].failover];
    expect(after(code)).toBe(expected);
  });

  it.each(betweenStages)('goes on where a connector says %s', (code) => {
    expect(after(code)).toBe('next');
  });

  // Guarantee: one request never makes more than its attempts, whatever fails.
  it.each(codes)('stops after the last attempt: %s', (code) => {
    expect(after(code, { attempts: 3 })).toBe('stop');
  });

  it.each(codes)('stops when too little time is left: %s', (code) => {
    expect(after(code, { remainingMs: 999 })).toBe('stop');
  });

  it('retries a channel once, then goes on, then stops', () => {
    expect(after('upstream_error')).toBe('retry');
    expect(after('upstream_error', { attempts: 2, retries: 1 })).toBe('next');
    expect(after('upstream_error', { attempts: 2, retries: 1, channelsLeft: 0 })).toBe('stop');
  });

  it('waits before a retry, at random and only within the deadline', () => {
    expect(afterFailure(fault('upstream_error'), state(), () => 0.5)).toEqual({ step: 'retry', waitMs: 50 });
    expect(after('upstream_error', { remainingMs: 1_040 })).toBe('next');
  });
});

describe('shownFault', () => {
  const shown = (...faults: readonly Fault[]) => shownFault(faults);

  it.each<[FaultCode[], FaultCode]>([
    [['upstream_error', 'upstream_auth'], 'upstream_error'],
    [['upstream_auth', 'upstream_timeout'], 'upstream_timeout'],
    [['upstream_error', 'upstream_timeout'], 'upstream_timeout'],
    [['upstream_error', 'no_channel_available'], 'upstream_error'],
    [['upstream_rate_limited', 'no_channel_available'], 'upstream_rate_limited'],
    [['no_channel_available', 'service_unavailable'], 'service_unavailable'],
    [['upstream_error', 'content_filter'], 'content_filter'],
  ])('of %j is %s', (faults, expected) => {
    expect(shown(...faults.map((code) => fault(code))).code).toBe(expected);
  });

  // Guarantee: what we owe a provider, and its limits on us, show as our unavailability with a time to come back.
  it.each<FaultCode>([
    'upstream_auth',
    'upstream_quota',
    'upstream_quota_window',
    'upstream_rate_limited',
    'upstream_model_missing',
    'no_channel_available',
  ])('shows %s as 503 upstream_unavailable', (code) => {
    const { spec, retryAfterMs, publicMessage } = shown(fault(code));
    expect(spec).toMatchObject({ status: 503, code: 'upstream_unavailable', type: 'api_error' });
    expect(retryAfterMs).toBeGreaterThanOrEqual(1_000);
    expect(publicMessage).not.toContain('secret');
  });

  it('asks to come back at the earliest time that a provider named, within a second and a minute', () => {
    expect(
      shown(fault('upstream_rate_limited', 30_000), fault('upstream_rate_limited', 5_000)).retryAfterMs,
    ).toBe(5_000);
    expect(shown(fault('upstream_rate_limited', 1)).retryAfterMs).toBe(1_000);
    expect(shown(fault('upstream_quota_window', 900_000)).retryAfterMs).toBe(60_000);
    expect(shown(fault('upstream_overloaded')).retryAfterMs).toBe(2_000);
  });

  it('passes faults that are not about availability as they are', () => {
    const given = fault('upstream_timeout');
    expect(shown(given)).toBe(given);
  });
});

describe('noChannelFault', () => {
  it.each([
    [0, 1_000],
    [7_000, 7_000],
    [Infinity, 60_000],
  ])('with a wait of %d asks to come back in %d', (waitMs, retryAfterMs) => {
    expect(noChannelFault('m', waitMs)).toMatchObject({ code: 'no_channel_available', retryAfterMs });
  });
});
