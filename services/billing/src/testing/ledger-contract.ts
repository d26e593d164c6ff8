import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { uuidv7 } from '@tunan/kernel';
import type { AccountLedger } from '../domain/account-ledger.js';
import type { LedgerChange } from '../domain/ledger-change.js';
import { deadLetter, isDeadLetter, readUsage, type UsageRecord } from '../domain/read-usage.js';
import { fromCustomer, toCustomer, type Transfer } from '../domain/transfer.js';
import { EventIdTaken, type Ledger } from '../ports/ledger.js';
import { usageEventOf, type UsageFacts } from './usage-events.js';

/** A ledger under test, and how to put accounts into it. */
export interface LedgerHarness {
  readonly ledger: Ledger;
  addAccount(accountId: string, keys?: readonly { keyId: string; capped: boolean }[]): Promise<void>;
  deadLetterCount(): Promise<number>;
  destroy(): Promise<void>;
}

const record = (facts: UsageFacts): UsageRecord => {
  const outcome = readUsage(usageEventOf(facts));
  if (isDeadLetter(outcome)) throw new Error(outcome.detail);
  return outcome;
};

const change = (facts: Partial<LedgerChange>): LedgerChange => ({
  transfers: [],
  accounts: [],
  keySpend: [],
  days: [],
  ...facts,
});

/** What every ledger promises to the rules above it. Run against each implementation. */
export const describeLedger = (name: string, create: () => Promise<LedgerHarness>): void =>
  describe(name, () => {
    let harness: LedgerHarness;
    let ledger: Ledger;
    beforeAll(async () => {
      harness = await create();
      ledger = harness.ledger;
    });
    afterAll(() => harness.destroy());

    const newAccount = async (keys: readonly { keyId: string; capped: boolean }[] = []): Promise<string> => {
      const accountId = `acc_${uuidv7()}`;
      await harness.addAccount(accountId, keys);
      return accountId;
    };
    const read = (accountId: string): Promise<AccountLedger | undefined> =>
      ledger.transaction(async (transaction) => (await transaction.lockAccounts([accountId])).get(accountId));
    const credit = async (accountId: string, eventId: string, amount = 10n): Promise<AccountLedger> => {
      const before = (await read(accountId))!;
      const after = { ...before, balance: before.balance + amount, version: before.version + 1 };
      const transfer = toCustomer(accountId, 'clearing', {
        eventId,
        part: 0,
        kind: 'topup',
        amount,
        promo: 0n,
      });
      await ledger.transaction(async (transaction) => {
        await transaction.lockAccounts([accountId]);
        await transaction.write(change({ transfers: [transfer], accounts: [after] }), []);
      });
      return after;
    };

    it('reads accounts that exist and leaves others out', async () => {
      const accountId = await newAccount();
      const accounts = await ledger.transaction((transaction) =>
        transaction.lockAccounts(['acc_nobody', accountId]),
      );
      expect([...accounts.values()]).toEqual([
        { accountId, tier: 'free', balance: 0n, promo: 0n, spent: 0n, requests: 0, version: 1 },
      ]);
    });

    it('writes accounts, transfers and charges per key', async () => {
      const key = uuidv7();
      const accountId = await newAccount([
        { keyId: `${key}-a`, capped: true },
        { keyId: `${key}-b`, capped: true },
        { keyId: `${key}-c`, capped: false },
      ]);
      const after: AccountLedger = {
        accountId,
        tier: 'paid',
        balance: 70n,
        promo: 20n,
        spent: 30n,
        requests: 2,
        version: 2,
      };
      const eventId = uuidv7();
      const transfers: Transfer[] = [
        toCustomer(accountId, 'clearing', { eventId, part: 0, kind: 'topup', amount: 100n, promo: 0n }),
        fromCustomer(accountId, 'revenue', { eventId, part: 1, kind: 'charge', amount: 30n, promo: 10n }),
      ];
      const keySpend = [
        { keyId: `${key}-a`, accountId, delta: 12n },
        { keyId: `${key}-c`, accountId, delta: 18n },
        { keyId: 'no such key', accountId, delta: 5n },
        { keyId: `${key}-b`, accountId: 'acc_other', delta: 7n },
      ];
      const spent = await ledger.transaction(async (transaction) => {
        await transaction.lockAccounts([accountId]);
        return transaction.write(change({ accounts: [after], transfers, keySpend }), [accountId]);
      });
      expect(spent.get(accountId)).toEqual({ [`${key}-a`]: 12n, [`${key}-b`]: 0n });
      expect(await read(accountId)).toEqual(after);
      expect(await ledger.transaction((transaction) => transaction.findTransfers(eventId))).toEqual(
        transfers,
      );
    });

    it('leaves nothing of work that throws', async () => {
      const accountId = await newAccount();
      const usage = record({ accountId });
      const failing = ledger.transaction(async (transaction) => {
        const account = (await transaction.lockAccounts([accountId])).get(accountId)!;
        await transaction.recordUsage([usage]);
        await transaction.write(change({ accounts: [{ ...account, balance: 5n, version: 2 }] }), []);
        throw new Error('crash');
      });
      await expect(failing).rejects.toThrow('crash');
      expect(await read(accountId)).toMatchObject({ balance: 0n, version: 1 });
      const again = await ledger.transaction((transaction) => transaction.recordUsage([usage]));
      expect(again).toEqual([{ state: 'fresh', earlier: undefined }]);
    });

    it('tells new events from recorded ones, and from others under the same id', async () => {
      const [accountId, other] = [await newAccount(), await newAccount()];
      const requestId = uuidv7();
      const first = record({ accountId, requestId, cost: 7n });
      const record1 = () =>
        ledger.transaction((transaction) => transaction.recordUsage([first, record({ accountId })]));
      expect(await record1()).toMatchObject([{ state: 'fresh' }, { state: 'fresh' }]);
      expect(await record1()).toMatchObject([{ state: 'applied' }, { state: 'fresh' }]);
      const conflicts = [
        record({ accountId, requestId, cost: 8n }),
        record({ accountId: other, requestId, cost: 7n }),
      ];
      for (const conflict of conflicts)
        expect(await ledger.transaction((transaction) => transaction.recordUsage([conflict]))).toEqual([
          { state: 'conflict' },
        ]);
    });

    it('knows what the other event of a request has done', async () => {
      const accountId = await newAccount();
      const requestId = uuidv7();
      const lost = record({ accountId, requestId, kind: 'lost', cost: 9n });
      const { eventId } = lost.usage;
      await ledger.transaction(async (transaction) => {
        const account = (await transaction.lockAccounts([accountId])).get(accountId)!;
        await transaction.recordUsage([lost]);
        const transfers = [
          fromCustomer(accountId, 'revenue', { eventId, part: 0, kind: 'charge', amount: 9n, promo: 4n }),
          toCustomer(accountId, 'writeoff', { eventId, part: 1, kind: 'writeoff', amount: 3n, promo: 0n }),
        ];
        await transaction.write(change({ transfers, accounts: [{ ...account, version: 2 }] }), []);
      });
      const final = record({ accountId, requestId, cost: 5n });
      expect(await ledger.transaction((transaction) => transaction.recordUsage([final]))).toEqual([
        { state: 'fresh', earlier: { cost: 9n, promo: 4n, writtenOff: 3n } },
      ]);

      const second = uuidv7();
      await ledger.transaction((transaction) =>
        transaction.recordUsage([record({ accountId, requestId: second, cost: 0n })]),
      );
      const late = record({ accountId, requestId: second, kind: 'lost', cost: 9n });
      expect(await ledger.transaction((transaction) => transaction.recordUsage([late]))).toEqual([
        { state: 'fresh', earlier: { cost: 0n, promo: 0n, writtenOff: 0n } },
      ]);
    });

    it('refuses a second transfer for the same part of an event', async () => {
      const [accountId, other] = [await newAccount(), await newAccount()];
      const eventId = uuidv7();
      await credit(accountId, eventId);
      await expect(credit(other, eventId)).rejects.toBeInstanceOf(EventIdTaken);
      expect(await read(other)).toMatchObject({ balance: 0n });
    });

    it('keeps a dead letter once', async () => {
      const letter = deadLetter('invalid', 'for a test', { id: uuidv7(), subject: 'a\0b', odd: '\ud800' });
      const before = await harness.deadLetterCount();
      for (let count = 0; count < 2; count += 1)
        await ledger.transaction((transaction) => transaction.recordDeadLetters([letter]));
      expect(await harness.deadLetterCount()).toBe(before + 1);
    });

    it('lists entries in order, page by page, as the customer sees them', async () => {
      const accountId = await newAccount();
      const requestId = uuidv7();
      const eventIds = [uuidv7(), uuidv7(), uuidv7()];
      for (const eventId of eventIds) await credit(accountId, eventId);
      const before = (await read(accountId))!;
      await ledger.transaction(async (transaction) => {
        await transaction.lockAccounts([accountId]);
        const eventId = `${requestId}:final`;
        const transfers = [
          fromCustomer(accountId, 'revenue', { eventId, part: 0, kind: 'charge', amount: 40n, promo: 0n }),
          toCustomer(accountId, 'writeoff', { eventId, part: 1, kind: 'writeoff', amount: 10n, promo: 0n }),
        ];
        await transaction.write(
          change({ transfers, accounts: [{ ...before, balance: 0n, version: before.version + 1 }] }),
          [],
        );
      });

      const first = (await ledger.entries(accountId, 0n, 3))!;
      expect(first.balance).toBe(0n);
      expect(first.entries).toMatchObject(
        eventIds.map((eventId) => ({ eventId, requestId: null, kind: 'topup', amount: 10n })),
      );
      expect(first.entries[0]!.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      const second = (await ledger.entries(accountId, BigInt(first.next!), 3))!;
      expect(second).toMatchObject({
        entries: [
          { requestId, kind: 'charge', amount: -40n },
          { requestId, kind: 'adjustment', amount: 10n },
        ],
        next: null,
      });
      expect((await ledger.entries(accountId, 0n, 5))!.next).toBeNull();
    });

    it('lists nothing for an account without entries, and null for no account', async () => {
      expect(await ledger.entries(await newAccount(), 0n, 10)).toEqual({
        balance: 0n,
        entries: [],
        next: null,
      });
      expect(await ledger.entries('acc_nobody', 0n, 10)).toBeNull();
    });

    // Guarantee: two transactions that change the same account do so one after the other.
    it('lets writers of one account take turns', async () => {
      const accountId = await newAccount();
      const increment = () =>
        ledger.transaction(async (transaction) => {
          const account = (await transaction.lockAccounts([accountId])).get(accountId)!;
          const next = { ...account, balance: account.balance + 1n, version: account.version + 1 };
          await transaction.write(change({ accounts: [next] }), []);
        });
      await Promise.all(Array.from({ length: 20 }, increment));
      expect(await read(accountId)).toMatchObject({ balance: 20n, version: 21 });
    });
  });
