import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { AdmissionStore } from '../admission-store.js';
import { aHold, aLedger, anAdmission, TOKEN } from './builders.js';
import { grant, heat, type OpenHarness, type StoreHarness } from './store-harness.js';

const RETURN_MS = 20_000;

/** What every admission store promises of holds that a lost file had, if it has a file of its own. */
export const describeLostFile = (open: OpenHarness): void => {
  let harness: StoreHarness;
  let store: AdmissionStore;
  beforeEach(async () => {
    harness = await open({ returnMs: RETURN_MS });
    store = harness.store;
    await read();
  });
  afterEach(() => harness.close());

  /** Credit for one request with this ceiling, and not for two. */
  const read = () => heat(store, { ledger: aLedger({ balance: 400n * TOKEN }) });
  const admit = () => store.admit(anAdmission({ ceiling: 100, promptLikely: 100 }));
  const running = aHold({ amount: 300n * TOKEN });

  // Guarantee: credit that is set aside for a running request is not sold again because a disk was lost.
  it('grants nothing until every hold that is in use can have been renewed', async () => {
    expect(await admit()).toEqual({ outcome: 'incomplete', retryAfterMs: RETURN_MS });
    await harness.advance(RETURN_MS - 1);
    expect(await store.renew(running, 10)).toMatchObject({ outcome: 'renewed' });
    expect(await admit()).toEqual({ outcome: 'incomplete', retryAfterMs: 1 });
    await harness.advance(1);
    expect(await admit()).toMatchObject({ outcome: 'denied', reason: 'credit' });
  });

  it('takes renewals and settlements meanwhile, and gives the answer to a request that holds again', async () => {
    await store.renew(running, 10);
    const { requestId, accountId, keyId } = running;
    expect(await store.admit(anAdmission({ requestId, accountId, keyId }))).toMatchObject({
      outcome: 'granted',
    });
    await store.void(requestId, accountId, false);
    expect(await store.renew(running, 11)).toEqual({ outcome: 'settled' });
  });

  it('says that an account is cold first, so that it is read meanwhile', async () => {
    expect(await store.admit(anAdmission({ accountId: 'acc_unread' }))).toEqual({ outcome: 'cold' });
  });

  it('waits anew after a restart in between, and no more once it has waited', async () => {
    await harness.advance(RETURN_MS - 1);
    await harness.restart();
    store = harness.store;
    await read();
    expect(await admit()).toEqual({ outcome: 'incomplete', retryAfterMs: RETURN_MS });
    await harness.advance(RETURN_MS);
    await grant(store, { ceiling: 100, promptLikely: 100 });
    await harness.restart();
    store = harness.store;
    await read();
    expect(await admit()).toMatchObject({ outcome: 'denied', reason: 'credit' });
  });

  it('grants at once, for good, where there was no other store before', async () => {
    await store.nothingLost('another generation');
    expect(await admit()).toMatchObject({ outcome: 'incomplete' });
    await store.nothingLost(await store.generation());
    await grant(store, { ceiling: 100, promptLikely: 100 });
    await harness.restart();
    store = harness.store;
    await read();
    expect(await admit()).toMatchObject({ outcome: 'denied', reason: 'credit' });
  });
};
