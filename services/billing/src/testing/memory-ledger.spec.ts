import { describeLedger } from './ledger-contract.js';
import { MemoryLedger } from './memory-ledger.js';

describeLedger('MemoryLedger', async () => {
  const ledger = new MemoryLedger();
  return {
    ledger,
    addAccount: async (accountId, keys) => ledger.addAccount(accountId, keys),
    deadLetterCount: async () => ledger.deadLetters.length,
    destroy: async () => undefined,
  };
});
