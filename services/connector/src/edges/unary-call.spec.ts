import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Dispatcher } from 'undici';
import type { Fault } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { DIALECTS } from '../providers/index.js';
import { aTarget, anExchange } from '../testing/exchanges.js';
import type { ProviderTransport } from './provider-transport.js';
import { InlineSchemaJudge } from './schema-judge.js';
import { UnaryCall } from './unary-call.js';

/** A provider that takes every request and says nothing, in virtual time. */
describe('the patience of a unary call', () => {
  let clock: TestClock;
  let outcome: string | undefined;
  let handler: Dispatcher.DispatchHandler;
  const controller = { abort: () => undefined } as unknown as Dispatcher.DispatchController;

  beforeEach(() => {
    clock = new TestClock();
    outcome = undefined;
  });

  const send = (ceiling: number): void => {
    const transport = {
      dispatch: (...[, , , , given]: Parameters<ProviderTransport['dispatch']>) => (handler = given),
      release: () => undefined,
    } as unknown as ProviderTransport;
    const timeouts = {
      connectMs: 5_000,
      firstContentMs: 60_000,
      idleMs: 60_000,
      unaryFirstByteMs: 120_000,
      totalMs: 600_000,
    };
    const exchange = anExchange({ stream: false, ceiling, deadlineMs: clock.monotonicMs() + 3_600_000 });
    const context = { dialect: DIALECTS.deepseek, transport, clock, judge: new InlineSchemaJudge() };
    UnaryCall.send(context, exchange, aTarget({ timeouts }), {
      path: '/',
      body: Buffer.from('{}'),
      read: (body) => body.toString(),
    }).then(
      (answer) => (outcome = answer),
      (fault: Fault) => (outcome = fault.code),
    );
    handler.onRequestStart?.(controller, {});
  };
  const after = async (ms: number): Promise<string | undefined> => {
    clock.advance(ms);
    await new Promise(setImmediate);
    return outcome;
  };

  // Guarantee: an answer of the default ceiling has the time that a slow model takes for it: its first byte is its last.
  it('lasts as long as a slow model takes for the ceiling', async () => {
    send(8_192);
    expect(await after(273_000)).toBeUndefined();
    handler.onResponseStart?.(controller, 200, {}, 'OK');
    handler.onResponseData?.(controller, Buffer.from('"whole"'));
    handler.onResponseEnd?.(controller, {});
    expect(await after(0)).toBe('"whole"');
  });

  it.each([
    [1, 120_000],
    [3_600, 120_000],
    [8_192, 273_067],
    // Never beyond what the call may take in all.
    [65_536, 600_000],
  ])('with a ceiling of %d tokens ends after %d ms', async (ceiling, ms) => {
    send(ceiling);
    expect(await after(ms - 1)).toBeUndefined();
    expect(await after(1)).toBe('upstream_timeout');
  });
});
