import { beforeEach, describe, expect, it } from '@jest/globals';
import { TestClock } from '@tunan/kernel/testing';
import { AuthService, type AuthParts } from './auth.service.js';
import { ACCOUNT, aSettlement, KEY } from './store/testing/builders.js';
import { MemoryAdmissionStore } from './store/testing/memory-admission-store.js';
import { grant, heat } from './store/testing/store-harness.js';
import { MemoryIdempotentAnswers } from './testing/memory-idempotent-answers.js';

const LEASE_MS = 60_000;

describe('idempotency marks', () => {
  let clock: TestClock;
  let store: MemoryAdmissionStore;
  let auth: AuthService;
  beforeEach(() => {
    clock = new TestClock();
    store = new MemoryAdmissionStore(clock);
    // These calls need nothing else.
    const parts: Partial<AuthParts> = { store, answers: new MemoryIdempotentAnswers(clock, LEASE_MS) };
    auth = new AuthService(parts as AuthParts);
  });

  const request = (requestId: string) => ({
    accountId: ACCOUNT,
    keyId: KEY,
    idempotencyHash: 'a'.repeat(64),
    requestId,
  });
  const begin = (requestId: string) =>
    auth.beginIdempotent({ ...request(requestId), requestHash: 'b'.repeat(64) });

  it('say whether a request still has its own', async () => {
    await begin('r1');
    expect(await auth.endIdempotent({ ...request('r1'), end: { kind: 'running' } })).toEqual({ owned: true });
    clock.advance(LEASE_MS);
    expect(await begin('r2')).toEqual({ outcome: 'begun' });
    expect(await auth.endIdempotent({ ...request('r1'), end: { kind: 'not-stored' } })).toEqual({
      owned: false,
    });
  });

  // Guarantee: a stream that runs keeps its idempotency key, also if Postgres was away when its mark was to be renewed.
  it('that were not renewed stay with their request as long as that holds', async () => {
    await heat(store);
    const { hold } = await grant(store);
    expect(await begin(hold.requestId)).toEqual({ outcome: 'begun' });
    for (let renewals = 0; renewals < 3; renewals += 1) {
      clock.advance(LEASE_MS - 1_000);
      await store.renew(hold, 1);
    }
    expect(await begin('r2')).toEqual({ outcome: 'running', requestId: hold.requestId });
    await store.settle(aSettlement(hold));
    expect(await begin('r2')).toEqual({ outcome: 'begun' });
  });
});
