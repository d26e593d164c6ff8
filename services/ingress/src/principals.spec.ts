import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Principal } from '@tunan/contracts';
import { apiKeyDigest, Fault, generateApiKey } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { Principals } from './principals.js';
import { FakeAuth } from './testing/fake-auth.js';

const key = generateApiKey();
const BEFORE: Principal = { accountId: 'acc_1', keyId: 'key_1', tier: 'free', models: null, aliases: true };
const AFTER: Principal = { ...BEFORE, aliases: false };

describe('Principals', () => {
  let auth: FakeAuth;
  let clock: TestClock;
  let principals: Principals;

  beforeEach(async () => {
    auth = new FakeAuth();
    clock = new TestClock();
    principals = new Principals(auth, clock, 10);
    auth.principals.set(apiKeyDigest(key), BEFORE);
    expect(await principals.find(key)).toEqual(BEFORE);
    auth.principals.set(apiKeyDigest(key), AFTER);
  });

  it('are known without asking for a minute, then asked for in the background', async () => {
    clock.advance(60_000);
    expect(principals.find(key)).toEqual(BEFORE);
    clock.advance(1);
    expect(principals.find(key)).toEqual(BEFORE);
    await new Promise(setImmediate);
    expect(principals.find(key)).toEqual(AFTER);
  });

  // Guarantee: what an operator changed is in force at the first use of a key that rested.
  it('are asked for first after a longer rest', async () => {
    clock.advance(90_001);
    expect(await principals.find(key)).toEqual(AFTER);
    auth.principals.delete(apiKeyDigest(key));
    clock.advance(90_001);
    await expect(principals.find(key)).rejects.toMatchObject({ code: 'invalid_api_key' });
  });

  it('stay known while auth is away, and one request at most waits for it', async () => {
    const asked: string[] = [];
    auth.identify = async ({ keyDigest }) => {
      asked.push(keyDigest);
      throw new Fault('service_unavailable', 'away');
    };
    clock.advance(3_600_000);
    expect(await principals.find(key)).toEqual(BEFORE);
    expect(principals.find(key)).toEqual(BEFORE);
    expect(asked).toHaveLength(1);
  });
});
