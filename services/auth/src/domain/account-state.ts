import type { AccountProfile, LedgerState, Limits } from '@tunan/contracts';
import { minNano, type Nano } from '@tunan/kernel';
import { SlidingWindow, type WindowState } from '@tunan/resilience';
import { PROMPT_PERMILLE } from './hold.js';
import type { EndedRecord } from './request-record.js';

/** Reads per minute of an account. */
export const READS_PER_MINUTE = 120;

/** Requests per minute of a key that may fail validation. They do not count as inference. */
export const MALFORMED_PER_MINUTE = 600;

type KeyProfile = AccountProfile['keys'][number];

/** Counters that an account and each of its keys have. They are sums over the account's requests. */
class Counters {
  /** Holds that have not ended. */
  live = 0;
  held: Nano = 0n;
  pending: Nano = 0n;
  readonly requests = new SlidingWindow();
  readonly tokens = new SlidingWindow();
}

/** Hot state of one key. */
export class KeyState extends Counters {
  profile: KeyProfile | undefined;
  readonly malformed = new SlidingWindow();
}

/** A prompt factor above the usual one that an account's real usage asked for. */
export interface PromptFactor {
  readonly permille: number;
  readonly untilMs: number;
}

/**
 * Hot state of one account. Money: `available = ledger.balance − pending − held`. The ledger and profile parts are
 * assigned from Postgres, each by its own version; nothing is ever added to them here.
 */
export class AccountState extends Counters {
  ledger: LedgerState | undefined;
  profile: AccountProfile | undefined;
  /** False for an account from a file, which may be an older copy, until Postgres was read. */
  verified = true;
  promptFactor: PromptFactor | undefined;
  /** Settlements whose charge is pending, in the order of their places; each charge is above zero. */
  readonly pendingRecords = new Set<EndedRecord>();
  readonly reads = new SlidingWindow();
  readonly #keys = new Map<string, KeyState>();

  constructor(readonly id: string) {
    super();
  }

  key(keyId: string): KeyState {
    let key = this.#keys.get(keyId);
    if (key === undefined) this.#keys.set(keyId, (key = new KeyState()));
    return key;
  }

  /**
   * Takes a ledger state if it is newer. One of the same version is the same truth, but it may name more keys.
   * @returns false if nothing changed
   */
  assignLedger(ledger: LedgerState): boolean {
    const known = this.ledger;
    if (known !== undefined && ledger.version < known.version) return false;
    this.ledger =
      known?.version === ledger.version
        ? { ...known, spentByKey: { ...known.spentByKey, ...ledger.spentByKey } }
        : ledger;
    return true;
  }

  /**
   * Takes a profile unless it is older. One of the same version may differ where limits come from the tier, which
   * the catalog decides.
   * @returns false if nothing changed
   */
  assignProfile(profile: AccountProfile): boolean {
    if (this.profile !== undefined && profile.version < this.profile.version) return false;
    this.profile = profile;
    for (const key of this.#keys.values()) key.profile = undefined;
    for (const key of profile.keys) this.key(key.keyId).profile = key;
    return true;
  }

  /** Thousandths by which likely prompt tokens are held. */
  promptPermille(nowMs: number): number {
    return this.promptFactor !== undefined && this.promptFactor.untilMs > nowMs
      ? this.promptFactor.permille
      : PROMPT_PERMILLE;
  }
}

/** An account whose both parts are known and verified: only such an account is decided about. */
export interface HotAccount extends AccountState {
  ledger: LedgerState;
  profile: AccountProfile;
}

export const isHot = (account: AccountState): account is HotAccount =>
  account.verified && account.ledger !== undefined && account.profile !== undefined;

/** Credit that neither a charge nor a running request has taken. Negative if the ledger went below what is held. */
export const availableOf = (account: HotAccount): Nano =>
  account.ledger.balance - account.pending - account.held;

/**
 * False if a key has a cap and the ledger state does not say what it has spent: the state was read before the cap was
 * set, and the account must be read again before this key may spend.
 */
export const isSpendKnown = ({ ledger }: HotAccount, keyId: string, { profile }: KeyState): boolean =>
  (profile?.cap ?? null) === null || Object.hasOwn(ledger.spentByKey, keyId);

/** What a key may still spend under its own cap; null if it has none. */
export const capLeft = ({ ledger }: HotAccount, keyId: string, key: KeyState): Nano | null => {
  const cap = key.profile?.cap ?? null;
  return cap === null ? null : cap - (ledger.spentByKey[keyId] ?? 0n) - key.pending - key.held;
};

/** What a key with a cap has spent and has left, running requests aside; null if it has no cap. */
export const budgetOf = (
  { ledger }: HotAccount,
  keyId: string,
  key: KeyState,
): { readonly spent: Nano; readonly left: Nano } | null => {
  const cap = key.profile?.cap ?? null;
  if (cap === null) return null;
  const spent = (ledger.spentByKey[keyId] ?? 0n) + key.pending;
  return { spent, left: cap - spent };
};

/** What one request of a key may still take: what is available, within the key's own cap. */
export const reachOf = (account: HotAccount, keyId: string, key: KeyState): Nano => {
  const cap = capLeft(account, keyId, key);
  const available = availableOf(account);
  return cap === null ? available : minNano(available, cap);
};

/** Whether a key may be used at all. */
export const isKeyActive = (key: KeyState, nowMs: number): boolean =>
  key.profile?.status === 'active' && (key.profile.expiresAtMs === null || key.profile.expiresAtMs > nowMs);

/** The tighter of an account's limit and a key's own: the one with less left. */
const tighter = (account: WindowState, key: WindowState | undefined): WindowState =>
  key === undefined || account.remaining < key.remaining ? account : key;

/** State of the limits of an account as one of its keys meets them. */
export const limitsOf = (account: HotAccount, key: KeyState, nowMs: number): Limits => {
  const { rpm, tpm } = account.profile.limits;
  const own = key.profile?.limits;
  return {
    requests: tighter(
      account.requests.state(nowMs, rpm),
      own?.rpm == null ? undefined : key.requests.state(nowMs, own.rpm),
    ),
    tokens: tighter(
      account.tokens.state(nowMs, tpm),
      own?.tpm == null ? undefined : key.tokens.state(nowMs, own.tpm),
    ),
  };
};
