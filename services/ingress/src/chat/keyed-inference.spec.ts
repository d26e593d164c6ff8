import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { REPLAY_BYTES_MAX, type AdmitReply, type FindIdempotentReply } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { createLogger } from '@tunan/service-kit';
import type { FakeAuth } from '../testing/fake-auth.js';
import { InferenceRig, settleDown } from '../testing/inference-rig.js';
import { knownAccount } from '../testing/known-account.js';
import { SERVED_USAGE as usage, type ScriptedRouter } from '../testing/scripted-router.js';
import { IdempotentCall } from './idempotency.js';
import { LOOKUPS_PER_MINUTE } from './lookup-limit.js';

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

  /** What the first request was answered with, sealed as its own process did. */
  const answered = async (text: string): Promise<FindIdempotentReply> => {
    const content = ['chat', Buffer.from('{}')];
    const first = {
      requestId: 'r0',
      accountId: 'acc_1',
      keyId: 'key_1',
      apiKey: 'sk-x',
      idempotencyKey: 'order-7',
      content,
    };
    const begun = await new IdempotentCall(auth, createLogger('silent'), first).begin();
    if (begun.kind !== 'mark') throw new Error('not the first');
    begun.settled(Buffer.from(text));
    const end = auth.ends.pop();
    if (end?.kind !== 'answered') throw new Error('nothing was kept');
    auth.calls.length = 0;
    return { ...end, outcome: 'answered', requestId: 'r0' };
  };
  const denied: AdmitReply = {
    outcome: 'denied',
    reason: 'credit',
    limits: null,
    retryAfterMs: null,
    needed: 1n,
    available: 0n,
  };

  it('looks, is admitted, and only then sets its mark', async () => {
    const client = rig.call();
    await router.called;
    expect(auth.calls).toEqual(['find', 'admit', 'begin']);
    router.unary('{"usage":{}}');
    await client.answered;
    expect(client.seen.status).toBe(200);
    expect(auth.ends).toMatchObject([
      { kind: 'answered', settled: false },
      { kind: 'answered', settled: true },
    ]);
  });

  const inPieces = (text: string): void =>
    router.unary(
      '"],"usage":{}}',
      ['{"data":["', text].map((piece) => Buffer.from(piece)),
    );

  it('whose answer comes in pieces is answered again with all of them', async () => {
    const client = rig.call();
    await router.called;
    inPieces('x');
    await client.answered;
    const end = auth.ends.at(-1);
    if (end?.kind !== 'answered') throw new Error('nothing was kept');
    auth.found = { ...end, outcome: 'answered', requestId: 'r0' };
    auth.inspection = knownAccount();
    const again = rig.call();
    await again.answered;
    expect(client.seen.text).toMatch(/^\{"data":\["x"\],"usage":\{/);
    expect(again.seen.text).toBe(client.seen.text);
  });

  it('whose answer comes in too large pieces is not kept', async () => {
    const client = rig.call();
    await router.called;
    inPieces('x'.repeat(REPLAY_BYTES_MAX));
    await client.answered;
    expect(client.seen.status).toBe(200);
    expect(auth.ends).toEqual([{ kind: 'not-stored' }]);
  });

  // Guarantee: what is beyond its limits or its credit writes nothing to Postgres.
  it('that is refused sets no mark', async () => {
    auth.admission = denied;
    const client = rig.call();
    await client.answered;
    expect(client.seen.status).toBe(402);
    expect(auth.calls).toEqual(['find', 'admit']);
    expect(auth.ends).toEqual([]);
  });

  // Guarantee: what is beyond its limits or its credit does not read from Postgres without end either.
  it('that is refused again and again is not looked up again and again', async () => {
    auth.admission = denied;
    for (let call = 0; call < LOOKUPS_PER_MINUTE; call += 1) await rig.call().answered;
    await rig.call().answered;
    expect(rig.thrown).toMatchObject([{ code: 'rate_limit_exceeded' }]);
    expect(auth.calls.filter((name) => name === 'find')).toHaveLength(LOOKUPS_PER_MINUTE);
  });

  it('whose model auth does not know sets no mark', async () => {
    auth.admission = new Fault('model_not_found', 'No such model.');
    const client = rig.call();
    await client.answered;
    expect(rig.thrown).toMatchObject([{ code: 'model_not_found' }]);
    expect(auth.calls).toEqual(['find', 'admit']);
  });

  // Guarantee: the same answer once more costs nothing, and needs neither credit nor a free slot.
  it('that was answered is replayed without an admission', async () => {
    auth.found = await answered('{"id":"c"}');
    auth.admission = denied;
    auth.inspection = knownAccount();
    const client = rig.call();
    await client.answered;
    expect(client.seen).toMatchObject({ status: 200, text: '{"id":"c"}' });
    expect(client.seen.headers['x-tunan-replayed']).toBe('r0');
    expect(auth.calls).toEqual(['find']);
  });

  it('that another came before in the same moment gives its admission back', async () => {
    auth.idempotent = { outcome: 'running', requestId: 'r0' };
    const client = rig.call();
    await client.answered;
    expect(rig.thrown).toMatchObject([{ code: 'idempotency_in_progress' }]);
    expect(auth.voids).toEqual([{ requestId: 'r1', giveBackRequest: true }]);
    expect(auth.ends).toEqual([]);
  });

  it('that another was answered before in the same moment replays, and gives its admission back', async () => {
    const found = await answered('{"id":"c"}');
    if (found.outcome === 'none') throw new Error('nothing was kept');
    auth.idempotent = found;
    auth.inspection = knownAccount();
    const client = rig.call();
    await client.answered;
    expect(client.seen).toMatchObject({ status: 200, text: '{"id":"c"}' });
    expect(auth.voids).toEqual([{ requestId: 'r1', giveBackRequest: true }]);
    expect(auth.settlements).toEqual([]);
  });

  it('that can set no mark is 503, and gives its admission back', async () => {
    auth.idempotent = new Fault('service_unavailable', 'Postgres is away.');
    const client = rig.call();
    await client.answered;
    expect(client.seen.status).toBe(503);
    expect(auth.voids).toEqual([{ requestId: 'r1', giveBackRequest: true }]);
  });

  // Guarantee: an answer that was not charged does not block its key for a day, if it can't be replayed.
  it.each([
    [
      'is refused for good',
      new Fault('settlement_lapsed', 'x'),
      [{ kind: 'not-stored' }, { kind: 'uncharged' }],
    ],
    ['is not known', new Error('auth is away'), [{ kind: 'not-stored' }]],
  ])('whose answer is too large to keep and whose charge %s', async (_what, failure, ends) => {
    auth.settleFailures = 100;
    auth.settleFailure = failure;
    const client = rig.call();
    await router.called;
    router.unary(`{"usage":{},"text":"${'x'.repeat(REPLAY_BYTES_MAX)}"}`);
    await settleDown(() => {
      rig.clock.advance(1_000);
      return client.seen.status !== 0;
    });
    expect(client.seen.status).toBeGreaterThanOrEqual(500);
    expect(auth.ends).toEqual(ends);
  });

  it('whose stream is whole and whose charge is refused for good may be sent again', async () => {
    rig.facts = { ...rig.facts, stream: true };
    auth.settleFailures = 100;
    auth.settleFailure = new Fault('settlement_lapsed', 'x');
    const client = rig.call();
    await router.called;
    (await router.stream()).end();
    await settleDown(() => {
      rig.clock.advance(1_000);
      return client.seen.status !== 0;
    });
    expect(client.seen.status).toBe(503);
    expect(auth.ends).toEqual([{ kind: 'uncharged' }]);
  });
});
