import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Fault } from '@tunan/kernel';
import type { TestClock } from '@tunan/kernel/testing';
import type { FakeAuth } from '../testing/fake-auth.js';
import { CONTENT as content, InferenceRig, settleDown } from '../testing/inference-rig.js';
import type { ScriptedRouter } from '../testing/scripted-router.js';
import type { OpenExchanges } from './open-exchanges.js';

describe.each([['unary'], ['streamed'], ['streamed, with content']])('an error (%s)', (form) => {
  let rig: InferenceRig;
  let auth: FakeAuth;
  let router: ScriptedRouter;
  let clock: TestClock;
  let exchanges: OpenExchanges;

  beforeEach(() => {
    rig = new InferenceRig();
    ({ auth, router, clock, exchanges } = rig);
    rig.facts = { stream: form !== 'unary', idempotency: { key: 'order-7', body: Buffer.from('{}') } };
    return rig.start();
  });
  afterEach(() => rig.stop());

  const fail = async (): Promise<void> => {
    await router.called;
    const fault = new Fault('upstream_error', 'It failed.');
    if (form !== 'streamed, with content') return router.fail(fault);
    const sink = await router.stream();
    sink.frames(content, 1);
    sink.fail(fault);
  };

  // Guarantee: who waits for an error does not wait for a store.
  it('waits two seconds for its settlement, which it does not need, and draining waits on', async () => {
    let settled = (): void => undefined;
    const { settle } = auth;
    auth.settle = async (request) => {
      await new Promise<void>((resolve) => (settled = resolve));
      return settle(request);
    };
    const client = rig.call();
    await fail();
    await settleDown(() => auth.ends.length > 0);
    clock.advance(1_900);
    await new Promise((resolve) => setImmediate(resolve));
    expect(client.seen.text).not.toContain('It failed.');
    clock.advance(200);
    await settleDown(() => client.seen.text.includes('It failed.'));
    expect(auth.settlements).toEqual([]);
    expect(exchanges.size).toBe(1);
    settled();
    await settleDown(() => exchanges.size === 0);
    expect(auth.settlements).toHaveLength(1);
  });

  // Guarantee: a client that retries at once is refused neither for its key nor for a hold that is still open.
  it('comes after its hold and its mark were given back', async () => {
    let releasedBefore = false;
    auth.onSettle = () => (releasedBefore = !rig.answer.writableEnded);
    const client = rig.call();
    await fail();
    await client.answered;
    expect(releasedBefore).toBe(true);
    expect(auth.ends).toEqual([{ kind: 'failed' }]);
    expect(client.seen.text).toContain('It failed.');
  });
});
