import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { FakeAuth } from '../testing/fake-auth.js';
import { InferenceRig } from '../testing/inference-rig.js';
import { SERVED_USAGE as usage, type ScriptedRouter } from '../testing/scripted-router.js';

describe('a request with an idempotency key', () => {
  let rig: InferenceRig;
  let auth: FakeAuth;
  let router: ScriptedRouter;

  beforeEach(() => {
    rig = new InferenceRig();
    ({ auth, router } = rig);
    rig.facts = { idempotency: { key: 'order-7', body: Buffer.from('{}') } };
    return rig.start();
  });
  afterEach(() => rig.stop());

  // Guarantee: of two requests with one idempotency key that both run, one is charged.
  it('whose mark another request has taken over is an error, and is not charged', async () => {
    auth.owned = false;
    const client = rig.call();
    await router.called;
    router.unary('{"id":"secret","usage":{}}');
    await client.answered;
    expect(client.seen.status).toBe(503);
    expect(client.seen.headers['retry-after']).toBe('1');
    expect(client.seen.text).not.toContain('secret');
    // What the provider bills is recorded, as our cost.
    expect(auth.settlements).toMatchObject([{ outcome: 'failed', usage }]);
    expect(rig.exchanges.size).toBe(0);
  });
});
