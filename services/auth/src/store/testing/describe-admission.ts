import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DenialReason } from '@tunan/contracts';
import type { AdmissionStore } from '../admission-store.js';
import {
  ACCOUNT,
  aCharge,
  aKey,
  aLedger,
  anAdmission,
  aProfile,
  aSettlement,
  KEY,
  TOKEN,
} from './builders.js';
import { grant, heat, type OpenHarness, type StoreHarness } from './store-harness.js';

/** 125 % of 100 likely prompt tokens. */
const PROMPT = 125n * TOKEN;

/** What every admission store promises about `admit`. */
export const describeAdmission = (open: OpenHarness): void => {
  let harness: StoreHarness;
  let store: AdmissionStore;
  beforeEach(async () => {
    harness = await open();
    store = harness.store;
  });
  afterEach(() => harness.close());

  const denied = async (changes: Parameters<typeof anAdmission>[0] = {}) => {
    const result = await store.admit(anAdmission(changes));
    if (result.outcome !== 'denied') throw new Error(`not denied but ${result.outcome}`);
    return result;
  };

  describe('cold accounts', () => {
    it('answers cold, and names the account once for each time that it was asked for', async () => {
      expect(await store.admit(anAdmission())).toEqual({ outcome: 'cold' });
      expect(await store.admit(anAdmission())).toEqual({ outcome: 'cold' });
      expect(await store.takeWanted(10)).toEqual([ACCOUNT]);
      expect(await store.takeWanted(10)).toEqual([]);
      await store.admit(anAdmission());
      expect(await store.takeWanted(10)).toEqual([ACCOUNT]);
    });

    it.each([{ ledger: null }, { profile: null }])('is cold while a part is missing: %j', async (missing) => {
      await heat(store, missing);
      expect(await store.admit(anAdmission())).toEqual({ outcome: 'cold' });
    });

    it('no longer names an account that became hot', async () => {
      await store.admit(anAdmission());
      await heat(store);
      expect(await store.takeWanted(10)).toEqual([]);
    });
  });

  describe('the hold', () => {
    it('is 1.25 times the likely prompt and the whole ceiling, for each completion', async () => {
      await heat(store);
      const request = anAdmission({ completions: 3, ceiling: 200 });
      const result = await store.admit(request);
      const { price: _price, ceilingDefault: _default, ...asked } = request;
      expect(result).toMatchObject({
        outcome: 'granted',
        lowered: false,
        leaseMs: 60_000,
        hold: { ...asked, ceiling: 200, amount: 3n * (PROMPT + 200n * TOKEN), windowTokens: 3 * 300 },
      });
    });

    it('is rounded up to a whole nano-dollar', async () => {
      await heat(store);
      const price = { input: 1n, cachedInput: 1n, output: 1n };
      const { hold } = await grant(store, { price, ceiling: 1 });
      expect(hold.amount).toBe(1n);
    });

    it('counts at most 4,096 output tokens per completion in the token window', async () => {
      await heat(store);
      const { hold } = await grant(store, { completions: 2, ceiling: 50_000 });
      expect(hold.windowTokens).toBe(2 * (100 + 4_096));
    });

    // Guarantee: an admission whose answer was lost can be repeated; it holds and counts once.
    it('is the same for a repeated request, and is taken once', async () => {
      await heat(store, {
        ledger: aLedger({ balance: PROMPT + 1_000n * TOKEN }),
        profile: aProfile({ limits: { rpm: 5, tpm: 9_999, concurrency: 1 } }),
      });
      const request = anAdmission();
      const first = await store.admit(request);
      expect(first).toMatchObject({ outcome: 'granted', limits: { requests: { remaining: 4 } } });
      expect(await store.admit(request)).toEqual(first);
      for (const change of [{ catalogVersion: 7 }, { promptLikely: 1 }, { ceiling: 3 }, { completions: 4 }])
        expect(await store.admit({ ...request, ...change })).toEqual(first);
    });
  });

  describe('the ceiling', () => {
    const balance = (tokens: bigint, concurrency = 1) =>
      heat(store, {
        ledger: aLedger({ balance: PROMPT + tokens * TOKEN }),
        profile: aProfile({ limits: { rpm: 100, tpm: 1_000_000, concurrency } }),
      });

    it('is the default of the model where the credit reaches', async () => {
      await balance(1_000n);
      expect(await grant(store)).toMatchObject({ hold: { ceiling: 1_000 }, lowered: false });
    });

    it('is lowered to what is affordable', async () => {
      await balance(999n);
      expect(await grant(store)).toMatchObject({
        hold: { ceiling: 999, amount: PROMPT + 999n * TOKEN },
        lowered: true,
      });
    });

    it('takes at most half of what is available while the account has other slots free', async () => {
      await heat(store, {
        ledger: aLedger({ balance: 2_000n * TOKEN }),
        profile: aProfile({ limits: { rpm: 100, tpm: 1_000_000, concurrency: 2 } }),
      });
      expect(await grant(store)).toMatchObject({
        hold: { ceiling: 875, amount: 1_000n * TOKEN },
        lowered: true,
      });
      // The last slot may take all of the rest.
      expect(await grant(store)).toMatchObject({ hold: { ceiling: 875, amount: 1_000n * TOKEN } });
    });

    it('is not lowered under 256, whatever is left for others', async () => {
      await balance(300n, 5);
      expect(await grant(store)).toMatchObject({ hold: { ceiling: 256 }, lowered: true });
    });

    it('is denied where even 256 is not affordable', async () => {
      await balance(255n);
      expect(await denied()).toMatchObject({
        reason: 'credit',
        needed: PROMPT + 256n * TOKEN,
        available: PROMPT + 255n * TOKEN,
        retryAfterMs: null,
      });
    });

    it('is not raised above a default that is smaller than 256', async () => {
      await balance(10n);
      expect(await grant(store, { ceilingDefault: 10 })).toMatchObject({
        hold: { ceiling: 10 },
        lowered: false,
      });
      await harness.close();
      harness = await open();
      store = harness.store;
      await balance(9n);
      expect(await denied({ ceilingDefault: 10 })).toMatchObject({
        reason: 'credit',
        needed: PROMPT + 10n * TOKEN,
      });
    });

    it('is taken whole or refused where the client gave one', async () => {
      await balance(500n);
      expect(await denied({ ceiling: 501 })).toMatchObject({
        reason: 'credit',
        needed: PROMPT + 501n * TOKEN,
        available: PROMPT + 500n * TOKEN,
      });
      expect(await grant(store, { ceiling: 500 })).toMatchObject({ hold: { ceiling: 500 }, lowered: false });
    });

    it('is lowered to what the cap of the key leaves', async () => {
      await heat(store, {
        ledger: aLedger({ spentByKey: { [KEY]: 5n } }),
        profile: aProfile({
          keys: [aKey({ cap: 5n + PROMPT + 400n * TOKEN })],
          limits: { rpm: 100, tpm: 1_000_000, concurrency: 1 },
        }),
      });
      expect(await grant(store)).toMatchObject({ hold: { ceiling: 400 }, lowered: true });
    });

    it('of an embedding is nothing', async () => {
      await heat(store);
      expect(await grant(store, { operation: 'embeddings', ceilingDefault: 0 })).toMatchObject({
        hold: { ceiling: 0, amount: PROMPT },
        lowered: false,
      });
    });
  });

  describe('denials', () => {
    it.each<[string, DenialReason, Parameters<typeof aProfile>[0]]>([
      ['an unknown key', 'invalid_api_key', { keys: [] }],
      ['a revoked key', 'invalid_api_key', { keys: [aKey({ status: 'revoked' })] }],
      ['an expired key', 'invalid_api_key', { keys: [aKey({ expiresAtMs: 1 })] }],
      ['a suspended account', 'account_suspended', { status: 'suspended' }],
      ['an unverified account', 'email_unverified', { status: 'unverified' }],
      [
        'a model that the key may not use',
        'model_not_allowed',
        { keys: [aKey({ models: ['another-model'] })] },
      ],
    ])('refuses %s', async (_name, reason, profile) => {
      await heat(store, { profile: aProfile(profile) });
      expect(await denied()).toMatchObject({ reason, retryAfterMs: null, needed: null, available: null });
    });

    it('lets a key in until it expires', async () => {
      await heat(store);
      const { hold } = await grant(store);
      await heat(store, {
        profile: aProfile({ version: 2, keys: [aKey({ expiresAtMs: hold.admittedAtMs + 5_000 })] }),
      });
      await harness.advance(4_000);
      await grant(store);
      await harness.advance(2_000);
      expect((await denied()).reason).toBe('invalid_api_key');
    });

    it('lets a key use the models that it may', async () => {
      await heat(store, { profile: aProfile({ keys: [aKey({ models: ['some-model'] })] }) });
      await grant(store);
    });

    // Guarantee: with several reasons at once the first of the documented order is told.
    it('come in the order of the wire contract', async () => {
      const reasons: DenialReason[] = [
        'invalid_api_key',
        'account_suspended',
        'model_not_allowed',
        'key_cap_reached',
        'requests',
        'concurrency',
        'credit',
        'tokens',
      ];
      await heat(store, { ledger: aLedger({ spentByKey: { [KEY]: 0n } }) });
      await grant(store, { ceiling: 1 });
      for (const [step, reason] of reasons.entries()) {
        const holds = (wanted: DenialReason): boolean => reasons.indexOf(wanted) >= step;
        const limits = {
          rpm: holds('requests') ? 1 : 100,
          concurrency: holds('concurrency') ? 1 : 100,
          tpm: holds('tokens') ? 200 : 1_000_000,
        };
        const key = aKey({
          status: holds('invalid_api_key') ? 'revoked' : 'active',
          models: holds('model_not_allowed') ? [] : null,
          cap: holds('key_cap_reached') ? 1n : 1_000_000_000n,
        });
        await heat(store, {
          ledger: aLedger({
            version: step + 2,
            balance: holds('credit') ? 127n * TOKEN : 10n ** 12n,
            spentByKey: { [KEY]: 0n },
          }),
          profile: aProfile({
            version: step + 2,
            status: holds('account_suspended') ? 'suspended' : 'active',
            limits,
            keys: [key],
          }),
        });
        expect((await denied({ ceiling: 1 })).reason).toBe(reason);
      }
    });

    // Guarantee: "a rejected request gives its place back".
    it('count nowhere', async () => {
      const limits = { rpm: 2, tpm: 10_000, concurrency: 2 };
      await heat(store, { ledger: aLedger({ balance: 200n * TOKEN }), profile: aProfile({ limits }) });
      for (let round = 0; round < 5; round += 1)
        expect((await denied({ ceiling: 5_000 })).limits).toEqual({
          requests: { limit: 2, remaining: 2, resetMs: 0 },
          tokens: { limit: 10_000, remaining: 10_000, resetMs: 0 },
        });
      await grant(store, { ceiling: 1 });
    });
  });

  describe('credit', () => {
    // Guarantee: whoever sends many requests at once can't spend more than there is.
    it('is taken by every hold, so that holds never exceed the balance', async () => {
      const balance = 10n * (PROMPT + 100n * TOKEN) + 5n;
      await heat(store, { ledger: aLedger({ balance }) });
      const results = await Promise.all(
        Array.from({ length: 50 }, () => store.admit(anAdmission({ ceiling: 100 }))),
      );
      const granted = results.filter((result) => result.outcome === 'granted');
      expect(granted).toHaveLength(10);
      expect(results.find((result) => result.outcome === 'denied')).toMatchObject({
        reason: 'credit',
        available: 5n,
      });
    });

    it('tells to retry where only running requests hold it', async () => {
      await heat(store, { ledger: aLedger({ balance: 500n * TOKEN }) });
      const { hold } = await grant(store, { ceiling: 300 });
      expect(await denied({ ceiling: 300 })).toMatchObject({ reason: 'credit', retryAfterMs: 1_000 });
      expect(await denied({ ceiling: 400 })).toMatchObject({ reason: 'credit', retryAfterMs: null });
      await store.settle(aSettlement(hold, { charge: aCharge(10, 10) }));
      await grant(store, { ceiling: 300 });
    });

    it('below zero admits nothing', async () => {
      await heat(store, { ledger: aLedger({ balance: -5n }) });
      expect(await denied({ ceiling: 1 })).toMatchObject({
        reason: 'credit',
        available: -5n,
        retryAfterMs: null,
      });
    });
  });

  describe('the cap of a key', () => {
    const CAP = 1_000n * TOKEN;
    const capped = (spent: bigint, version = 1) =>
      heat(store, {
        ledger: aLedger({ version, spentByKey: { [KEY]: spent } }),
        profile: aProfile({ version, keys: [aKey({ cap: CAP }), aKey({ keyId: 'key_2' })] }),
      });

    it('counts what is spent, pending and held', async () => {
      await capped(300n * TOKEN);
      const { hold } = await grant(store, { ceiling: 75 });
      await store.settle(aSettlement(hold, { charge: aCharge(100, 100) }));
      await grant(store, { ceiling: 175 });
      expect(await denied({ ceiling: 76 })).toMatchObject({
        reason: 'key_cap_reached',
        needed: PROMPT + 76n * TOKEN,
        available: 200n * TOKEN,
        retryAfterMs: 1_000,
      });
      await grant(store, { ceiling: 75 });
      await grant(store, { keyId: 'key_2', ceiling: 5_000 });
    });

    it('is reached for good by what is spent', async () => {
      await capped(CAP);
      expect(await denied({ ceiling: 1 })).toMatchObject({ reason: 'key_cap_reached', retryAfterMs: null });
    });

    // Guarantee: a cap that was set after the ledger state was read is not taken for "nothing spent".
    it('makes the account cold where the ledger state does not say what the key has spent', async () => {
      await heat(store, { profile: aProfile({ keys: [aKey({ cap: CAP }), aKey({ keyId: 'key_2' })] }) });
      expect(await store.admit(anAdmission())).toEqual({ outcome: 'cold' });
      expect(await store.takeWanted(10)).toEqual([ACCOUNT]);
      await grant(store, { keyId: 'key_2' });
      await heat(store, { ledger: aLedger({ spentByKey: { [KEY]: CAP } }), profile: null });
      expect((await denied()).reason).toBe('key_cap_reached');
    });
  });

  it('sells nothing more while usage events can not leave', async () => {
    await harness.close();
    harness = await open({ outboxMax: 2 });
    store = harness.store;
    await heat(store);
    const request = anAdmission();
    expect((await store.admit(request)).outcome).toBe('granted');
    for (const { hold } of [await grant(store), await grant(store)]) await store.settle(aSettlement(hold));
    expect(await store.admit(anAdmission())).toEqual({ outcome: 'full' });
    // What was granted before stays granted.
    expect((await store.admit(request)).outcome).toBe('granted');
    const [first] = await store.readOutbox(0, 10);
    await store.ackOutbox(0, first!.seq);
    await grant(store);
  });
};
