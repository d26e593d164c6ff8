import { describe, expect, it } from '@jest/globals';
import { FAULTS, type FaultCode } from '@tunan/kernel';
import { DIALECTS } from '../providers/index.js';
import { readErrorBody, readReset, readRetryAfter, vendorFault, type Classify } from './vendor-error.js';

const unknown: Classify = () => undefined;
const error = (status: number, message = 'x') => ({ status, code: '', type: '', message });

describe('readErrorBody', () => {
  it.each([
    [
      'an OpenAI envelope',
      '{"error":{"message":"m","type":"t","code":"c"},"request_id":"r"}',
      { code: 'c', type: 't', message: 'm' },
    ],
    ['a numeric code', '{"error":{"message":"m","code":1113}}', { code: '1113', type: '', message: 'm' }],
    [
      'a stream that never began',
      'data: {"error":{"message":"m","code":"c"}}\n\n',
      { code: 'c', type: '', message: 'm' },
    ],
    ['a byte order mark', '\uFEFF {"error":{"message":"m"}}', { code: '', type: '', message: 'm' }],
    ['a flat object', '{"code":"c","message":"m","request_id":"r"}', { code: 'c', type: '', message: 'm' }],
    ['an error that is text', '{"error":"m"}', { code: '', type: '', message: 'm' }],
    [
      'plain text',
      'Authentication Fails (governor)',
      { code: '', type: '', message: 'Authentication Fails (governor)' },
    ],
    ['HTML', '<html>502</html>', { code: '', type: '', message: '<html>502</html>' }],
    ['JSON that says nothing', '{"a":1}', { code: '', type: '', message: '{"a":1}' }],
    ['nothing', '', { code: '', type: '', message: '' }],
  ])('reads %s', (_name, body, expected) => {
    expect(readErrorBody(400, body)).toEqual({ status: 400, ...expected });
  });
});

describe('vendorFault', () => {
  it.each<[number, FaultCode]>([
    [400, 'upstream_rejected'],
    [401, 'upstream_auth'],
    [402, 'upstream_quota'],
    [403, 'upstream_forbidden'],
    [404, 'upstream_model_missing'],
    [408, 'upstream_timeout'],
    [413, 'request_too_large'],
    [418, 'upstream_rejected'],
    [429, 'upstream_rate_limited'],
    [500, 'upstream_error'],
    [502, 'upstream_error'],
    [503, 'upstream_overloaded'],
    [504, 'upstream_timeout'],
    [529, 'upstream_overloaded'],
    [200, 'upstream_error'],
  ])('status %d alone means %s', (status, code) => {
    expect(vendorFault('v', error(status), unknown).code).toBe(code);
  });

  // Guarantee: what we owe a provider, its limits on us and its words are never the customer's to read.
  it('tells nothing of the vendor in public', () => {
    const message = 'Your api key: ****abcd sk-live-0123456789 of DeepSeek is invalid, request id 42';
    for (const code of Object.keys(FAULTS) as FaultCode[]) {
      const fault = vendorFault('deepseek', error(401, message), () => code);
      expect(fault.publicMessage).not.toMatch(/abcd|sk-live|deepseek|42|key/i);
      expect(fault.message).not.toMatch(/abcd|0123456789/);
    }
  });

  it('names the parameter that a provider complains about', () => {
    const fault = vendorFault(
      'v',
      error(400, 'Range of max_tokens should be [1, 8192]'),
      () => 'invalid_value',
    );
    expect(fault).toMatchObject({ param: 'max_tokens', publicMessage: "Invalid value for 'max_tokens'." });
    expect(vendorFault('v', error(400, 'too long'), () => 'context_length_exceeded').param).toBe('messages');
    expect(vendorFault('v', error(500, 'max_tokens'), unknown).param).toBeUndefined();
  });

  it('prefers the wait that the provider asks for, within bounds', () => {
    const classify: Classify = () => ({ code: 'upstream_rate_limited', retryAfterMs: 60_000 });
    expect(vendorFault('v', error(429), classify).retryAfterMs).toBe(60_000);
    expect(vendorFault('v', error(429), classify, { retryAfterMs: 3_000 }).retryAfterMs).toBe(3_000);
    expect(vendorFault('v', error(429), classify, { retryAfterMs: 86_400_000 }).retryAfterMs).toBe(600_000);
  });
});

describe('the end of a window', () => {
  const nowMs = Date.parse('2026-11-28T00:00:00Z');

  it.each([
    ['next_flush_time: 2026-11-28 08:30:00', 1_800_000],
    ['您的限额将在 2026-11-28 08:30:00 重置。', 1_800_000],
    ['resets at 2026-11-28T00:30:00Z', 1_800_000],
    ['resets at 2026-11-28 01:30:00 +01:00', 1_800_000],
    ['usage limit exceeded, resets in 20 minutes', 1_200_000],
    ['next_flush_time: 2026-11-27 08:30:00', undefined],
    ['next_flush_time: 2026-13-41 08:30:00', undefined],
    ['usage limit exceeded', undefined],
  ])('in %j is in %s ms', (message, ms) => {
    expect(readReset(message, nowMs)).toBe(ms);
  });

  const glm = (code: string, message: string) =>
    vendorFault('glm', { status: 429, code, type: '', message }, DIALECTS.glm.classify, { nowMs })
      .retryAfterMs;

  // Guarantee: neither a plan of a week nor a date that was misread leaves a credential unused for longer than an hour.
  it.each([
    ['next_flush_time: 2026-11-28 08:30:00', 1_800_000],
    ['next_flush_time: 2026-12-05 08:30:00', 3_600_000],
    ['no date', 900_000],
  ])('is how long its credential rests: %j', (message, ms) => {
    expect(glm('1308', message)).toBe(ms);
  });

  it('means nothing to other failures', () => {
    expect(glm('1302', 'next_flush_time: 2026-11-28 08:30:00')).toBe(3_000);
  });
});

describe('readRetryAfter', () => {
  const nowMs = Date.parse('2026-11-23T10:00:00Z');
  it.each([
    ['7', 7_000],
    ['0', 0],
    ['Mon, 23 Nov 2026 10:00:30 GMT', 30_000],
    ['Mon, 23 Nov 2026 09:00:00 GMT', 0],
    ['soon', undefined],
    ['-5', undefined],
    [undefined, undefined],
  ])('reads %j', (value, ms) => {
    expect(readRetryAfter(value, nowMs)).toBe(ms);
  });
});
