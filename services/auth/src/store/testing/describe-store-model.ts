import { describe, expect, it } from '@jest/globals';
import { finalEventId } from '@tunan/kernel';
import fc from 'fast-check';
import type { AdmissionStore } from '../admission-store.js';
import { ReferenceLedger } from './reference-ledger.js';
import { ReferenceStore } from './reference-store.js';
import { ACCOUNTS, refreshOne, STORE_COMMANDS, type World } from './store-commands.js';
import type { OpenHarness } from './store-harness.js';

const START_MS = 1_700_000_000_000;

/** After everything was delivered and read again, the store says exactly what the ledger says. */
const quiesce = async (world: World, store: AdmissionStore): Promise<void> => {
  for (const { event } of await store.readOutbox(0, 10_000)) world.ledger.apply(event);
  for (const account of ACCOUNTS) {
    await refreshOne(account, world, store);
    const { balance } = world.ledger.books(account);
    expect(await store.inspect(account, 'key_1', 'nothing')).toMatchObject({ left: balance });
    expect(await store.pendingOf([account])).toEqual([]);
  }
  for (const [requestId, { charge, state }] of world.reference.requests)
    if (state === 'final')
      expect(world.ledger.applied.get(finalEventId(requestId))?.data.cost ?? charge!.cost).toBe(charge!.cost);
};

/**
 * Random histories of everything that can happen to a store, compared with {@link ReferenceStore} after every step.
 * Guarantees: every answer is the reference's; what is left is never more than the truth, whatever was lost, late or
 * repeated; when all is delivered the store and the ledger agree to the nano-dollar.
 */
export const describeStoreModel = (name: string, open: OpenHarness, numRuns: number): void => {
  describe(`${name}, compared with the reference`, () => {
    it(
      `agrees in ${numRuns} random histories`,
      async () => {
        const commands = fc.commands([...STORE_COMMANDS], { maxCommands: 60, size: 'max' });
        await fc.assert(
          fc.asyncProperty(commands, fc.boolean(), async (run, hot) => {
            const harness = await open();
            try {
              const world: World = {
                reference: new ReferenceStore(START_MS),
                ledger: new ReferenceLedger(ACCOUNTS),
                admissions: [],
                holds: [],
                kept: [],
              };
              if (hot)
                for (const account of ACCOUNTS) {
                  world.ledger.topUp(account, 2_000_000n);
                  await refreshOne(account, world, harness.store);
                }
              await fc.asyncModelRun(() => ({ model: world, real: harness }), run);
              await quiesce(world, harness.store);
            } finally {
              await harness.close();
            }
          }),
          { numRuns },
        );
      },
      30_000 + numRuns * 100,
    );
  });
};
