import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Principal } from '@tunan/contracts';
import { apiKeyDigest, keyHmac, parsePeppers } from '@tunan/kernel';
import { TestClock } from '@tunan/kernel/testing';
import { KeyDirectory } from './key-directory.js';
import { KeyLookup } from './ports/key-lookup.js';
import { away } from './testing/memory-account-source.js';

const PEPPERS = parsePeppers(`2:${'22'.repeat(32)},1:${'11'.repeat(32)}`);
const PRINCIPAL: Principal = {
  accountId: 'acc_1',
  keyId: 'key_1',
  tier: 'free',
  models: null,
  aliases: true,
};
const digestOf = (name: string): string => apiKeyDigest(name);

/** Keys in memory, by the hex of their HMAC. */
class MemoryKeyLookup extends KeyLookup {
  readonly keys = new Map<string, Principal>();
  lookups = 0;
  running = 0;
  /** Most look-ups at once, and most keys in one of them. */
  most = 0;
  widest = 0;
  before: () => Promise<void> = () => Promise.resolve();

  override async find(keys: readonly (readonly Buffer[])[]): Promise<readonly (Principal | null)[]> {
    this.lookups += 1;
    this.widest = Math.max(this.widest, keys.length);
    this.running += 1;
    this.most = Math.max(this.most, this.running);
    await this.before();
    this.running -= 1;
    return keys.map(
      (hmacs) =>
        hmacs.map((hmac) => this.keys.get(hmac.toString('hex'))).find((found) => found !== undefined) ?? null,
    );
  }
}

describe('KeyDirectory', () => {
  let lookup: MemoryKeyLookup;
  let clock: TestClock;
  let directory: KeyDirectory;
  beforeEach(() => {
    lookup = new MemoryKeyLookup();
    clock = new TestClock();
    directory = new KeyDirectory(lookup, PEPPERS, clock, { cacheMax: 3, hitMs: 30_000, missMs: 5_000 });
  });
  const put = (name: string, pepper = PEPPERS[0]): void =>
    void lookup.keys.set(keyHmac(pepper, digestOf(name)).toString('hex'), PRINCIPAL);

  it('finds keys under the current pepper and under former ones', async () => {
    put('current');
    put('former', PEPPERS[1]!);
    expect(await directory.identify(digestOf('current'))).toEqual(PRINCIPAL);
    expect(await directory.identify(digestOf('former'))).toEqual(PRINCIPAL);
    expect(await directory.identify(digestOf('nobody'))).toBeNull();
  });

  it('remembers known keys for a while, and unknown ones for a shorter one', async () => {
    put('known');
    for (let round = 0; round < 3; round += 1) {
      await directory.identify(digestOf('known'));
      await directory.identify(digestOf('unknown'));
    }
    expect(lookup.lookups).toBe(2);
    clock.advance(5_000);
    await directory.identify(digestOf('known'));
    await directory.identify(digestOf('unknown'));
    expect(lookup.lookups).toBe(3);
    clock.advance(25_000);
    await directory.identify(digestOf('known'));
    expect(lookup.lookups).toBe(4);
  });

  it('notices a revocation when it looks again', async () => {
    put('key');
    await directory.identify(digestOf('key'));
    lookup.keys.clear();
    clock.advance(30_000);
    expect(await directory.identify(digestOf('key'))).toBeNull();
  });

  // Guarantee: while Postgres is away nobody is told that a key does not exist.
  it('fails for an unknown key while Postgres is away, and knows a known one', async () => {
    put('key');
    await directory.identify(digestOf('key'));
    clock.advance(3_600_000);
    lookup.before = away;
    expect(await directory.identify(digestOf('key'))).toEqual(PRINCIPAL);
    await expect(directory.identify(digestOf('other'))).rejects.toMatchObject({
      code: 'service_unavailable',
    });
    lookup.before = () => Promise.resolve();
    expect(await directory.identify(digestOf('other'))).toBeNull();
  });

  it('looks a key up once, however many ask', async () => {
    put('key');
    const answers = await Promise.all(Array.from({ length: 20 }, () => directory.identify(digestOf('key'))));
    expect(answers).toEqual(Array.from({ length: 20 }, () => PRINCIPAL));
    expect(lookup.lookups).toBe(1);
  });

  it('keeps no more than it may, and drops the oldest', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await directory.identify(digestOf(name));
    await directory.identify(digestOf('d'));
    await directory.identify(digestOf('b'));
    expect(lookup.lookups).toBe(4);
    await directory.identify(digestOf('a'));
    expect(lookup.lookups).toBe(5);
  });

  // Guarantee: a flood of invented keys leaves most connections to Postgres to everybody else, and nobody behind it waits long.
  it('looks up a flood of keys in few queries, two at a time, and each gets its own answer', async () => {
    put('good');
    lookup.before = () => new Promise((resolve) => setImmediate(resolve));
    const names = Array.from({ length: 255 }, (_, index) => `invented ${index}`);
    const answers = await Promise.all([...names, 'good'].map((name) => directory.identify(digestOf(name))));
    expect(answers).toEqual([...names.map(() => null), PRINCIPAL]);
    expect(lookup.lookups).toBe(2);
    expect(lookup.most).toBe(2);
    expect(lookup.widest).toBe(128);
    expect(await directory.identify(digestOf('later'))).toBeNull();
  });

  it('fails those who share a query that failed, and nobody else', async () => {
    lookup.before = away;
    const failing = [1, 2, 3].map((n) => directory.identify(digestOf(`key ${n}`)));
    for (const one of failing) await expect(one).rejects.toMatchObject({ code: 'service_unavailable' });
    lookup.before = () => Promise.resolve();
    expect(await directory.identify(digestOf('key 1'))).toBeNull();
  });

  it('refuses a flood of unknown keys instead of queueing it', async () => {
    lookup.before = () => new Promise(() => undefined);
    for (let index = 0; index < 256; index += 1) void directory.identify(digestOf(`key ${index}`));
    await expect(directory.identify(digestOf('one more'))).rejects.toMatchObject({ code: 'overloaded' });
  });
});
