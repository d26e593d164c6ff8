import { describe, expect, it } from '@jest/globals';
import { errorBody, errorHeaders } from './error-body.js';
import { FAULTS, type FaultCode } from './faults.js';
import { Fault, shownName } from './fault.js';

const codes = Object.keys(FAULTS) as FaultCode[];

/** The closed table of the wire contract: status and type of each public code. */
const PUBLIC: Readonly<Record<string, readonly [number[], string]>> = {
  invalid_json: [[400], 'invalid_request_error'],
  invalid_value: [[400], 'invalid_request_error'],
  missing_required_parameter: [[400], 'invalid_request_error'],
  unsupported_parameter: [[400], 'invalid_request_error'],
  context_length_exceeded: [[400], 'invalid_request_error'],
  content_filter: [[400], 'invalid_request_error'],
  invalid_api_key: [[401], 'invalid_request_error'],
  missing_api_key: [[401], 'invalid_request_error'],
  402: [[402], 'insufficient_quota'],
  model_not_allowed: [[403], 'permission_error'],
  account_suspended: [[403], 'permission_error'],
  email_unverified: [[403], 'permission_error'],
  key_cap_reached: [[403], 'permission_error'],
  model_not_found: [[404], 'invalid_request_error'],
  not_found: [[404], 'invalid_request_error'],
  method_not_allowed: [[405], 'invalid_request_error'],
  request_timeout: [[408], 'invalid_request_error'],
  idempotency_in_progress: [[409], 'invalid_request_error'],
  answer_not_stored: [[409], 'invalid_request_error'],
  idempotency_key_reused: [[422], 'invalid_request_error'],
  request_too_large: [[413, 414, 431], 'invalid_request_error'],
  unsupported_media_type: [[415], 'invalid_request_error'],
  unsupported_expectation: [[417], 'invalid_request_error'],
  upgrade_not_supported: [[426], 'invalid_request_error'],
  rate_limit_exceeded: [[429], 'rate_limit_error'],
  internal_error: [[500], 'server_error'],
  upstream_error: [[502], 'api_error'],
  upstream_stream_cut: [[502], 'api_error'],
  structured_output_failed: [[502], 'api_error'],
  upstream_timeout: [[504], 'api_error'],
  upstream_unavailable: [[503], 'api_error'],
  service_unavailable: [[503], 'api_error'],
};

describe('the fault table', () => {
  it.each(codes.filter((code) => code !== 'client_closed'))(
    'shows %s as an error of the public contract',
    (code) => {
      const { status, type, code: shown } = FAULTS[code];
      expect(PUBLIC[shown]).toBeDefined();
      expect(PUBLIC[shown]![0]).toContain(status);
      expect(PUBLIC[shown]![1]).toBe(type);
    },
  );

  it('never shows our own key, quota or rate at a provider as the customer’s', () => {
    for (const code of codes.filter(
      (name) => name.startsWith('upstream_') || name === 'no_channel_available',
    ))
      expect([400, 401, 402, 403, 429]).not.toContain(FAULTS[code].status);
  });

  it('never fails over what is the client’s fault', () => {
    for (const code of codes)
      if (FAULTS[code].owner === 'client') expect(FAULTS[code].failover).toBe('never');
  });
});

describe('Fault', () => {
  it('shows all four members that SDKs read, and nothing internal', () => {
    const fault = new Fault('invalid_value', 'Too hot.', {
      param: 'temperature',
      internal: 'provider key sk-1',
    });
    expect(errorBody(fault)).toEqual({
      error: {
        message: 'Too hot.',
        type: 'invalid_request_error',
        param: 'temperature',
        code: 'invalid_value',
      },
    });
    expect(JSON.stringify(fault.toWire())).not.toContain('sk-1');
  });

  // Guarantee: whatever a client sends, it does not come back, nor into a log, by the megabyte.
  it('shows little of what a client has made as large as a body', () => {
    const name = '字'.repeat(1_000_000);
    const { message, publicMessage, param } = new Fault('invalid_value', `'${name}' is wrong.`, {
      param: name,
    });
    expect([message.length, publicMessage.length, param!.length]).toEqual([4_000, 4_000, 200]);
    expect(shownName(name)).toBe(param);
    expect(shownName('x'.repeat(200))).toBe('x'.repeat(200));
    expect(shownName('💥'.repeat(200)).isWellFormed()).toBe(true);
  });

  it('shows code 402 as a number, as documented', () => {
    expect(errorBody(new Fault('insufficient_quota', 'x')).error.code).toBe(402);
  });

  it('tells an SDK when to retry, and when not to', () => {
    expect(errorHeaders(new Fault('rate_limit_exceeded', 'x', { retryAfterMs: 1_200 }))).toEqual({
      'retry-after': '2',
      'retry-after-ms': '1200',
    });
    expect(errorHeaders(new Fault('insufficient_quota', 'x'))).toEqual({ 'x-should-retry': 'false' });
    expect(errorHeaders(new Fault('insufficient_quota', 'x', { shouldRetry: true }))).toEqual({
      'x-should-retry': 'true',
    });
    expect(errorHeaders(new Fault('invalid_api_key', 'x'))).toEqual({ 'www-authenticate': 'Bearer' });
  });

  it.each(codes)('%s survives the way to another process', (code) => {
    const fault = new Fault(code, 'words', { param: 'p', retryAfterMs: 5 });
    expect(Fault.fromWire(fault.toWire())).toEqual(fault);
  });

  it('of a newer version arrives as internal_error', () => {
    expect(Fault.fromWire({ fault: 'from_the_future', message: 'x' }).code).toBe('internal_error');
  });

  // Finding out where an error was made costs more than the rest of a refusal, and nobody reads it of a client's.
  it('says where our own faults were made, and of a client’s nothing', () => {
    const limit = Error.stackTraceLimit;
    expect(new Fault('invalid_api_key', 'No such key.').stack).toBe('Fault: No such key.');
    expect(new Fault('internal_error', 'Internal error.').stack).toContain('fault.spec');
    expect(Error.stackTraceLimit).toBe(limit);
  });
});
