import { describe, expect, it } from '@jest/globals';
import { Fault } from '@tunan/kernel';
import { databaseFault, sqlState } from './database-fault.js';

const withCode = (code: string, message = 'boom') => Object.assign(new Error(message), { code });

describe('databaseFault', () => {
  // Guarantee: whatever passes by itself is a 503 with a retry, so that payment webhooks are sent again.
  it.each([
    ['a refused connection', withCode('ECONNREFUSED')],
    [
      'a refused dual-stack connection',
      new AggregateError([withCode('ECONNREFUSED'), withCode('ECONNREFUSED')]),
    ],
    ['a connection lost in a query', new Error('Connection terminated unexpectedly')],
    ['a full pool', new Error('timeout exceeded when trying to connect')],
    ['a silent server', new Error('Query read timeout')],
    ['a server that shuts down', withCode('57P01')],
    ['a statement timeout', withCode('57014')],
    ['a lock timeout', withCode('55P03')],
    ['too many connections', withCode('53300')],
    ['a full disk', withCode('53100')],
    ['a deadlock that outlived its retries', withCode('40P01')],
    ['a demoted primary', withCode('25006')],
  ])('takes %s for unavailable', (_name, error) => {
    expect(databaseFault(error)).toMatchObject({ code: 'service_unavailable', retryAfterMs: 1_000 });
  });

  it.each([
    ['a constraint', withCode('23505')],
    ['a syntax error', withCode('42601')],
    ['a bug', new TypeError('x is undefined')],
  ])('takes %s for our own fault', (_name, error) => {
    expect(databaseFault(error).code).toBe('internal_error');
  });

  it('passes faults through and shows nothing of the database to callers', () => {
    const fault = new Fault('not_found', 'No such account.');
    expect(databaseFault(fault)).toBe(fault);
    const wrapped = databaseFault(withCode('57P01', 'terminating connection to host db-7.internal'));
    expect(wrapped.publicMessage).not.toContain('db-7');
    expect(wrapped.message).toContain('db-7');
  });
});

describe('sqlState', () => {
  it('is what the server reported, not an errno', () => {
    expect(sqlState(withCode('23505'))).toBe('23505');
    expect(sqlState(withCode('EPIPE'))).toBeUndefined();
    expect(sqlState(withCode('ECONNRESET'))).toBeUndefined();
    expect(sqlState('23505')).toBeUndefined();
  });
});
