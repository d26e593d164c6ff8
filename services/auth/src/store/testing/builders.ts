import type { AccountProfile, Hold, LedgerState, Publication, Usage } from '@tunan/contracts';
import type { TokenPrice } from '@tunan/kernel';
import type { Charge } from '../../domain/charge.js';
import type { Admission } from '../../domain/hold.js';
import type { Settlement } from '../../domain/operations.js';

/** A dollar per million tokens: a token costs 1,000 nano-dollars, whatever its kind. */
export const DOLLAR_PRICE: TokenPrice = {
  input: 1_000_000_000n,
  cachedInput: 1_000_000_000n,
  output: 1_000_000_000n,
};

/** Price of one token under {@link DOLLAR_PRICE}. */
export const TOKEN = 1_000n;

export const ACCOUNT = 'acc_1';
export const KEY = 'key_1';

type KeyProfile = AccountProfile['keys'][number];

/** A key that may do everything that its account may. */
export const aKey = (changes: Partial<KeyProfile> = {}): KeyProfile => ({
  keyId: KEY,
  name: 'a key',
  status: 'active',
  expiresAtMs: null,
  models: null,
  cap: null,
  limits: { rpm: null, tpm: null, concurrency: null },
  ...changes,
});

/** An active account with room for everything. */
export const aProfile = (changes: Partial<AccountProfile> = {}): AccountProfile => ({
  version: 1,
  status: 'active',
  email: 'somebody@example.com',
  displayName: 'Somebody',
  tier: 'paid',
  limits: { rpm: 1_000, tpm: 1_000_000_000, concurrency: 100 },
  aliases: true,
  keys: [aKey()],
  ...changes,
});

/** A ledger state with a thousand dollars. */
export const aLedger = (changes: Partial<LedgerState> = {}): LedgerState => ({
  version: 1,
  balance: 1_000_000_000_000n,
  spent: 0n,
  requests: 0,
  spentByKey: {},
  ...changes,
});

/** What makes an account hot. */
export const aPublication = (changes: Partial<Publication> = {}): Publication => ({
  accountId: ACCOUNT,
  ledger: aLedger(),
  profile: aProfile(),
  appliedEventIds: [],
  ...changes,
});

let requests = 0;

/** A request of 100 likely prompt tokens that leaves the ceiling to us. Each has an id of its own. */
export const anAdmission = (changes: Partial<Admission> = {}): Admission => ({
  requestId: `request-${(requests += 1)}`,
  accountId: ACCOUNT,
  keyId: KEY,
  model: 'some-model',
  operation: 'chat',
  stream: true,
  catalogVersion: 1,
  completions: 1,
  promptLikely: 100,
  promptBound: 1_000,
  ceiling: null,
  price: DOLLAR_PRICE,
  ceilingDefault: 1_000,
  ...changes,
});

/** The hold of a request that no store was asked about. */
export const aHold = (changes: Partial<Hold> = {}): Hold => {
  const { price: _price, ceilingDefault, ceiling, ...request } = anAdmission();
  return {
    ...request,
    ceiling: ceiling ?? ceilingDefault,
    amount: 1_125n * TOKEN,
    windowTokens: 1_100,
    admittedAtMs: 1_700_000_000_000,
    ...changes,
  };
};

export const someUsage = (prompt: number, completion: number): Usage => ({
  prompt,
  cachedPrompt: 0,
  completion,
  reasoning: 0,
});

/** A charge of this many tokens under {@link DOLLAR_PRICE}. */
export const aCharge = (prompt: number, completion: number, changes: Partial<Charge> = {}): Charge => ({
  cost: BigInt(prompt + completion) * TOKEN,
  usage: someUsage(prompt, completion),
  flags: [],
  ...changes,
});

/** The settlement of a request that was completed. */
export const aSettlement = (hold: Hold, changes: Partial<Settlement> = {}): Settlement => ({
  kind: 'final',
  hold,
  outcome: 'completed',
  charge: aCharge(100, 50),
  served: {
    provider: 'deepseek',
    upstreamModel: 'deepseek-chat',
    channel: 'deepseek-main',
    attempts: 1,
    fallback: false,
  },
  traceparent: null,
  price: DOLLAR_PRICE,
  ...changes,
});
