import { describe, expect, it } from '@jest/globals';
import { answerTimes, readClientTimeouts } from './client-timeouts.js';

const own = { keepAliveMs: 15_000, exchangeMsMax: 600_000 };
const times = (headers: Record<string, string>, stream = true) =>
  answerTimes(own, readClientTimeouts(headers), stream);

describe('readClientTimeouts', () => {
  it('takes what Node and Python send as time until the headers, and only Python’s as silence', () => {
    expect(readClientTimeouts({ 'x-stainless-timeout': '2' })).toEqual({
      headersMs: 2_000,
      silenceMs: null,
      totalMs: null,
    });
    expect(readClientTimeouts({ 'x-stainless-read-timeout': '600.0', 'x-stainless-timeout': '30' })).toEqual({
      headersMs: 30_000,
      silenceMs: 600_000,
      totalMs: null,
    });
    expect(readClientTimeouts({ 'x-tunan-timeout': '3600' }).totalMs).toBe(3_600_000);
  });

  it.each(['-1', '0', '0.5', '3601', '1e9', 'abc', '', ' 5', '5, 5', 'NaN', '99999'])(
    'ignores %p',
    (value) => {
      expect(
        readClientTimeouts({
          'x-stainless-timeout': value,
          'x-stainless-read-timeout': value,
          'x-tunan-timeout': value,
        }),
      ).toEqual({ headersMs: null, silenceMs: null, totalMs: null });
    },
  );
});

describe('answerTimes', () => {
  it('are our own where the client says nothing', () => {
    expect(times({})).toEqual({ totalMs: 600_000, headersMs: 15_000, keepAliveMs: 15_000 });
  });

  it('open a stream before its client gives up, and never bound its length by that', () => {
    expect(times({ 'x-stainless-timeout': '2' })).toEqual({
      totalMs: 600_000,
      headersMs: 1_500,
      keepAliveMs: 15_000,
    });
    expect(times({ 'x-stainless-timeout': '10' }).headersMs).toBe(9_000);
  });

  it('end a unary answer before its client gives up', () => {
    expect(times({ 'x-stainless-timeout': '2' }, false).totalMs).toBe(1_500);
    expect(times({ 'x-stainless-timeout': '3600' }, false).totalMs).toBe(600_000);
  });

  it('keep a stream alive three times within the client’s read timeout', () => {
    expect(times({ 'x-stainless-read-timeout': '6' }).keepAliveMs).toBe(2_000);
    expect(times({ 'x-stainless-read-timeout': '600' }).keepAliveMs).toBe(15_000);
  });

  it('end at the client’s total deadline, a stream too, but never after our own', () => {
    expect(times({ 'x-tunan-timeout': '20' }).totalMs).toBe(20_000);
    expect(times({ 'x-tunan-timeout': '3600' }).totalMs).toBe(600_000);
  });
});
