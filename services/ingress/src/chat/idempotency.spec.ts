import { beforeEach, describe, expect, it } from '@jest/globals';
import type { SettleRequest } from '@tunan/contracts';
import { createLogger } from '@tunan/service-kit';
import { FakeAuth } from '../testing/fake-auth.js';
import { SERVED, SERVED_USAGE } from '../testing/scripted-router.js';
import type { IdempotencyMark } from './idempotency.js';
import { IdempotentCall, type KeyedRequest } from './idempotency.js';

const request = (changes: Partial<KeyedRequest> = {}): KeyedRequest => ({
  requestId: 'r2',
  accountId: 'acc_1',
  keyId: 'key_1',
  apiKey: 'sk-a',
  idempotencyKey: 'order-7',
  content: ['chat', Buffer.from('{"model":"m"}')],
  ...changes,
});
const body = Buffer.from('{"id":"c","usage":{"prompt_tokens":8}}');

describe('IdempotentCall', () => {
  let auth: FakeAuth;
  let settle: SettleRequest;

  beforeEach(async () => {
    auth = new FakeAuth();
    const admitted = await auth.admit({
      requestId: 'r1',
      accountId: 'acc_1',
      keyId: 'key_1',
      model: 'm',
      operation: 'chat',
      stream: false,
      catalogVersion: 1,
      completions: 1,
      promptLikely: 1,
      promptBound: 2,
      ceiling: null,
    });
    if (admitted.outcome !== 'granted') throw new Error(admitted.outcome);
    settle = {
      hold: admitted.hold,
      outcome: 'completed',
      usage: SERVED_USAGE,
      deliveredTokens: 9,
      served: SERVED,
      traceparent: null,
    };
  });

  const keyed = (changes: Partial<KeyedRequest> = {}): IdempotentCall =>
    new IdempotentCall(auth, createLogger('silent'), request(changes));
  const mark = async (changes: Partial<KeyedRequest> = {}): Promise<IdempotencyMark> => {
    const begun = await keyed(changes).begin();
    if (begun.kind !== 'mark') throw new Error('not the first');
    return begun;
  };
  /** What was kept last, as `begin` would find it. */
  const found = (): void => {
    const end = auth.ends.at(-1);
    if (end?.kind !== 'answered') throw new Error('nothing was kept');
    auth.found = { ...end, outcome: 'answered', requestId: 'r1' };
  };

  it('replays what the client got, and settles nothing', async () => {
    const first = await mark();
    await first.answered(body, settle);
    first.settled(Buffer.from('the answer with its cost'));
    found();
    expect(await keyed().find()).toEqual({
      kind: 'replay',
      firstRequestId: 'r1',
      body: Buffer.from('the answer with its cost'),
    });
    expect(auth.settlements).toEqual([]);
  });

  // Guarantee: an answer that was kept when its process ended is billed before it is served, as the first request.
  it('settles an answer that was kept and not settled, with the request of the first, and shows its cost', async () => {
    await (await mark()).answered(body, settle);
    found();
    const replay = await keyed().find();
    expect(replay).toMatchObject({ kind: 'replay', firstRequestId: 'r1' });
    expect((replay as { body: Buffer }).body.toString()).toBe(
      '{"id":"c","usage":{"prompt_tokens":8,"cost":0.0000052}}',
    );
    expect(auth.settlements).toEqual([settle]);
    expect(auth.ends.at(-1)).toMatchObject({ kind: 'answered', settled: true });
  });

  it('keeps nothing of a request readable, nor of its key or answer', async () => {
    const asked: string[] = [];
    const begin = auth.beginIdempotent;
    auth.beginIdempotent = (call) => {
      asked.push(JSON.stringify(call));
      return begin(call);
    };
    const first = await mark();
    await first.answered(body, settle);
    first.settled(body);
    const kept = asked.join('') + JSON.stringify(auth.ends);
    for (const secret of ['sk-a', 'order-7', '"model"', 'prompt_tokens', body.toString('base64')])
      expect(kept).not.toContain(secret);
    found();
    await expect(keyed({ apiKey: 'sk-b' }).find()).rejects.toThrow();
  });

  it('tells keys, operations and bodies apart, wherever their parts begin', async () => {
    const hashes = new Set<string>();
    const begin = auth.beginIdempotent;
    auth.beginIdempotent = (call) => {
      hashes.add(`${call.idempotencyHash} ${call.requestHash}`);
      return begin(call);
    };
    for (const changes of [
      {},
      { idempotencyKey: 'order-8' },
      { apiKey: 'sk-b' },
      { content: ['embeddings', Buffer.from('{"model":"m"}')] },
      { content: ['chat', Buffer.from('{"model":"n"}')] },
      { content: ['chat{"mo', Buffer.from('del":"m"}')] },
    ])
      await keyed(changes).begin();
    expect(hashes.size).toBe(6);
    await keyed().begin();
    expect(hashes.size).toBe(6);
  });

  it.each([
    [{ outcome: 'running', requestId: 'r1' }, 'idempotency_in_progress', /r1/],
    [{ outcome: 'not-stored', requestId: 'r1' }, 'answer_not_stored', /r1/],
    [{ outcome: 'reused' }, 'idempotency_key_reused', /another request/],
  ] as const)('refuses what is %j', async (reply, code, message) => {
    const refused = { code, publicMessage: expect.stringMatching(message), shouldRetry: false };
    auth.found = reply;
    await expect(keyed().find()).rejects.toMatchObject(refused);
    auth.idempotent = reply;
    await expect(keyed().begin()).rejects.toMatchObject(refused);
  });

  it('does not keep what is too large', async () => {
    const first = await mark();
    await first.answered(undefined, settle);
    expect(auth.ends).toEqual([{ kind: 'not-stored' }]);
    first.settled(undefined);
    expect(auth.ends).toHaveLength(1);
  });

  it('says that an answer is not its own to give once another request has its mark', async () => {
    const first = await mark();
    expect(await first.answered(body, settle)).toBe(true);
    auth.owned = false;
    expect(await first.answered(body, settle)).toBe(false);
    expect(await first.answered(undefined, settle)).toBe(false);
  });

  it('fails where an answer could not be kept before its bill, and only logs afterwards', async () => {
    const first = await mark();
    auth.endFailure = new Error('Postgres is away');
    await expect(first.answered(body, settle)).rejects.toThrow('Postgres is away');
    first.settled(body);
    await first.end({ kind: 'failed' });
  });
});
