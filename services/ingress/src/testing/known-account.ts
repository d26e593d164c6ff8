import type { AccountProfile, InspectReply } from '@tunan/contracts';

const LIMIT = { limit: 60, remaining: 12, resetMs: 30_000 };

/** The account of a key that works. */
export const knownAccount = (
  changes: Partial<Extract<InspectReply, { outcome: 'known' }>> = {},
  status: AccountProfile['status'] = 'active',
): Extract<InspectReply, { outcome: 'known' }> => ({
  outcome: 'known',
  keyActive: true,
  left: 1_000_000_000n,
  spent: 0n,
  requests: 0,
  keyBudget: null,
  profile: {
    version: 1,
    status,
    email: 'ada@example.com',
    displayName: 'Ada',
    tier: 'free',
    limits: { rpm: 60, tpm: 500_000, concurrency: 5 },
    aliases: true,
    keys: [],
  },
  limits: { requests: LIMIT, tokens: { ...LIMIT, limit: 500_000 } },
  retryAfterMs: null,
  ...changes,
});
