import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Principal } from '@tunan/contracts';
import { apiKeyDigest, Fault, generateApiKey } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { Principals } from './principals.js';
import { FakeAuth } from './testing/fake-auth.js';

const key = generateApiKey();
const BEFORE: Principal = { accountId: 'acc_1', keyId: 'key_1', tier: 'free', models: null, aliases: true };
const AFTER: Principal = { ...BEFORE, aliases: false };

const trusted = (): boolean => false;
const suspect = (): boolean => true;

describe('Principals', () => {
  let auth: FakeAuth;
  let clock: TestClock;
  let principals: Principals;

  beforeEach(async () => {
    auth = new FakeAuth();
    clock = new TestClock();
    principals = new Principals(auth, clock, 10);
    auth.principals.set(apiKeyDigest(key), BEFORE);
    expect(await principals.find(key, trusted)).toEqual(BEFORE);
    auth.principals.set(apiKeyDigest(key), AFTER);
  });

  it('are known without asking for a minute, then asked for in the background', async () => {
    clock.advance(60_000);
    expect(principals.find(key, trusted)).toEqual(BEFORE);
    clock.advance(1);
    expect(principals.find(key, trusted)).toEqual(BEFORE);
    await new Promise(setImmediate);
    expect(principals.find(key, trusted)).toEqual(AFTER);
  });

  // Guarantee: what an operator changed is in force at the first use of a key that rested.
  it('are asked for first after a longer rest', async () => {
    clock.advance(90_001);
    expect(await principals.find(key, trusted)).toEqual(AFTER);
    auth.principals.delete(apiKeyDigest(key));
    clock.advance(90_001);
    await expect(principals.find(key, trusted)).rejects.toMatchObject({ code: 'invalid_api_key' });
  });

  it('stay known while auth is away, and one request at most waits for it', async () => {
    const asked: string[] = [];
    auth.identify = async ({ keyDigest }) => {
      asked.push(keyDigest);
      throw new Fault('service_unavailable', 'away');
    };
    clock.advance(3_600_000);
    expect(await principals.find(key, trusted)).toEqual(BEFORE);
    expect(principals.find(key, trusted)).toEqual(BEFORE);
    expect(asked).toHaveLength(1);
  });

  /** Lets look-ups wait until they are released. */
  const block = (): (() => void) => {
    const { identify } = auth;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    auth.identify = async (request) => {
      await released;
      return identify(request);
    };
    return release;
  };

  const look = async (asked: string, isSuspect: () => boolean): Promise<string> => {
    try {
      await principals.find(asked, isSuspect);
      return 'found';
    } catch (error) {
      return (error as Fault).code;
    }
  };

  // Guarantee: a key that works is never refused for its address, and inventing keys slows no others down.
  it('have a narrow lane for suspects, which keeps nobody else out and lets a good key through', async () => {
    const [other, another] = [generateApiKey(), generateApiKey()];
    for (const good of [other, another]) auth.principals.set(apiKeyDigest(good), BEFORE);
    const invented = Array.from({ length: 31 }, () => look(generateApiKey(), suspect));
    // It is known, and nobody has to be asked.
    expect(principals.find(key, suspect)).toEqual(BEFORE);
    expect(await look(other, trusted)).toBe('found');
    expect(await look(other, suspect)).toBe('found');
    const last = look(another, suspect);
    expect(await look(generateApiKey(), suspect)).toBe('rate_limit_exceeded');
    clock.advance(100);
    expect(await last).toBe('found');
    expect(new Set(await Promise.all(invented))).toEqual(new Set(['invalid_api_key']));
    const next = look(generateApiKey(), suspect);
    clock.advance(100);
    expect(await next).toBe('invalid_api_key');
  });

  it('are not forgotten for keys that nobody has, of which as many are remembered', async () => {
    const invented = Array.from({ length: 30 }, () => generateApiKey());
    for (const one of invented) expect(await look(one, trusted)).toBe('invalid_api_key');
    expect(principals.find(key, trusted)).toEqual(BEFORE);
    const asked: string[] = [];
    const { identify } = auth;
    auth.identify = (request) => (asked.push(request.keyDigest), identify(request));
    for (const one of invented.slice(-10)) expect(await look(one, trusted)).toBe('invalid_api_key');
    expect(asked).toEqual([]);
    expect(await look(invented[0]!, trusted)).toBe('invalid_api_key');
    expect(asked).toHaveLength(1);
  });

  it('refuse a flood of look-ups instead of queueing it', async () => {
    const release = block();
    const flood = Array.from({ length: 256 }, () => look(generateApiKey(), trusted));
    expect(await look(generateApiKey(), trusted)).toBe('overloaded');
    release();
    expect(new Set(await Promise.all(flood))).toEqual(new Set(['invalid_api_key']));
    expect(await look(generateApiKey(), trusted)).toBe('invalid_api_key');
  });
});
