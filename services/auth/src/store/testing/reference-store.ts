import type { Hold, Limits, Publication } from '@tunan/contracts';
import type { Clock } from '@tunan/kernel';
import type { StoreLimits } from '../../domain/admission-state.js';
import type { Admission } from '../../domain/hold.js';
import type {
  AdmissionResult,
  RenewalResult,
  Settlement,
  SettlementResult,
} from '../../domain/operations.js';
import { ReferenceBatch } from './reference-batch.js';
import { overrun, type Account, type Request } from './reference-records.js';
import { ReferenceTombstones } from './reference-tombstones.js';

/** The smaller of what is available and what a cap leaves, if there is one. */
const least = (available: bigint, cap: bigint | null): bigint =>
  cap !== null && cap < available ? cap : available;

type Denied = Extract<AdmissionResult, { outcome: 'denied' }>;

/**
 * The rules of an admission store, written down a second time in the most obvious way: lists, nothing kept that can be
 * computed, every figure a sum over everything. Slow, and what real stores are compared with.
 */
export class ReferenceStore {
  readonly requests = new Map<string, Request>();
  readonly accounts = new Map<string, Account>();
  readonly wanted = new Set<string>();
  readonly tombstones: ReferenceTombstones;
  /** What was admitted before was admitted by an earlier life of the store. */
  openedMs: number;
  readonly batch = new ReferenceBatch();
  #seq = 0;

  constructor(
    private readonly clock: Pick<Clock, 'nowMs'>,
    readonly limits: StoreLimits,
  ) {
    this.openedMs = clock.nowMs();
    this.tombstones = new ReferenceTombstones(this.requests, limits);
  }

  get nowMs(): number {
    return this.clock.nowMs() - this.batch.commitMs;
  }

  account(accountId: string): Account {
    let account = this.accounts.get(accountId);
    if (account === undefined)
      this.accounts.set(
        accountId,
        (account = { ledger: undefined, profile: undefined, verified: true, factor: undefined, reads: [] }),
      );
    return account;
  }

  admit(request: Admission): AdmissionResult {
    const known = this.requests.get(request.requestId);
    if (known !== undefined && known.state !== 'held') return { outcome: 'ended' };
    const { ledger, profile, factor, verified } = this.account(request.accountId);
    const key = profile?.keys.find(({ keyId }) => keyId === request.keyId);
    const capUnknown = this.capLeft(request.accountId, request.keyId) === 'unknown';
    if (ledger === undefined || profile === undefined || !verified || capUnknown) {
      this.wanted.add(request.accountId);
      return { outcome: 'cold' };
    }
    const limits = () => this.limitsOf(request.accountId, request.keyId);
    if (known !== undefined)
      return {
        outcome: 'granted',
        hold: known.hold,
        lowered: known.lowered,
        limits: limits(),
        leaseMs: this.limits.leaseMs,
      };
    if (this.outbox().length >= this.limits.outboxMax) return { outcome: 'full' };

    const deny = (reason: Denied['reason'], rest: Partial<Denied> = {}): Denied => ({
      outcome: 'denied',
      reason,
      limits: reason === 'invalid_api_key' ? null : limits(),
      retryAfterMs: null,
      needed: null,
      available: null,
      ...rest,
    });
    if (
      key === undefined ||
      key.status !== 'active' ||
      (key.expiresAtMs !== null && key.expiresAtMs <= this.nowMs)
    )
      return deny('invalid_api_key');
    if (profile.status === 'suspended') return deny('account_suspended');
    if (profile.status === 'unverified') return deny('email_unverified');
    if (key.models !== null && !key.models.includes(request.model)) return deny('model_not_allowed');

    const available = this.available(request.accountId);
    const held = this.sum(request.accountId, null, 'held');
    const keyHeld = this.sum(request.accountId, request.keyId, 'held');
    const left = this.capLeft(request.accountId, request.keyId);
    const cap = left === 'unknown' ? null : left;
    const live = this.live(request.accountId, null);
    const reach = least(available, cap);
    const budget = live + 1 < profile.limits.concurrency ? reach / 2n : reach;
    const permille = factor !== undefined && factor.untilMs > this.nowMs ? factor.permille : 1_250;
    const amountOf = (ceiling: number): bigint => this.amount(request, ceiling, permille);
    const floor = Math.min(256, request.ceilingDefault);
    let ceiling = request.ceiling ?? request.ceilingDefault;
    if (request.ceiling === null) while (ceiling > floor && amountOf(ceiling) > budget) ceiling -= 1;
    const amount = amountOf(ceiling);
    const tokens = request.completions * (request.promptLikely + Math.min(ceiling, 4_096));

    const funds = (have: bigint, coming: bigint): number =>
      amount <= have ? 0 : amount <= have + coming ? 1_000 : Infinity;
    const waits: [Denied['reason'], number, bigint | null][] = [
      ['key_cap_reached', cap === null ? 0 : funds(cap, keyHeld), cap],
      ['requests', this.wait(request, 'requests', 1), null],
      ['concurrency', this.slotWait(request), null],
      ['credit', funds(available, held), available],
      ['tokens', this.wait(request, 'tokens', tokens), null],
    ];
    const first = waits.find(([, waitMs]) => waitMs > 0);
    if (first !== undefined) {
      const waitMs = Math.max(...waits.map((each) => each[1]));
      return deny(first[0], {
        retryAfterMs: waitMs === Infinity ? null : waitMs,
        needed: first[2] === null ? null : amount,
        available: first[2],
      });
    }
    const { price: _price, ceilingDefault: _default, ...asked } = request;
    const hold: Hold = { ...asked, ceiling, amount, windowTokens: tokens, admittedAtMs: this.nowMs };
    const lowered = request.ceiling === null && ceiling < request.ceilingDefault;
    this.#hold(hold, lowered, 0);
    return { outcome: 'granted', hold, lowered, limits: limits(), leaseMs: this.limits.leaseMs };
  }

  renew(hold: Hold, delivered: number): RenewalResult {
    const known = this.requests.get(hold.requestId);
    if (known !== undefined && known.state !== 'held') return { outcome: 'settled' };
    if (known === undefined) {
      this.account(hold.accountId);
      this.#hold(hold, false, delivered);
    } else {
      known.leaseEndsMs = this.nowMs + this.limits.leaseMs;
      known.delivered = Math.max(known.delivered, delivered);
    }
    return { outcome: 'renewed', leaseMs: this.limits.leaseMs };
  }

  settle({ kind, hold, charge, lapsesAtMs, booked, unpaidTokens }: Settlement): SettlementResult {
    const known = this.requests.get(hold.requestId);
    const hasLapsed = lapsesAtMs !== undefined && lapsesAtMs <= this.nowMs;
    const isUnmade = known?.charge?.flags.includes('uncharged') && !charge.flags.includes('uncharged');
    if (known?.state === kind)
      return isUnmade && hasLapsed ? { outcome: 'refused' } : this.#settled(hold.requestId, true);
    if (kind === 'lost' && (known?.state !== 'held' || known.leaseEndsMs > this.nowMs))
      return { outcome: 'refused' };
    if (hasLapsed) return { outcome: 'refused' };
    const seenFromItsStart = known !== undefined && hold.admittedAtMs >= this.openedMs;
    if (kind === 'final' && charge.cost > hold.amount && !seenFromItsStart && booked !== true)
      return { outcome: 'uncertain', charge: overrun(charge, hold.amount, hold.amount, null) };
    const account = this.account(hold.accountId);
    const set = known?.state === 'held' ? known.hold.amount : hold.amount;
    const mine = known?.state === 'held' ? known.hold.amount : (known?.charge?.cost ?? 0n);
    const left = this.capLeft(hold.accountId, hold.keyId);
    const available = this.isHot(hold.accountId) ? this.available(hold.accountId) : 0n;
    const reach = !this.isHot(hold.accountId) || left === 'unknown' ? null : mine + least(available, left);
    const most = reach !== null && reach > set ? reach : set;
    const likely = hold.promptLikely * hold.completions;
    const permille = likely === 0 ? 0 : Math.ceil((charge.usage.prompt * 1000) / likely);
    const former =
      account.factor !== undefined && account.factor.untilMs > this.nowMs ? account.factor.permille : 1_250;
    const overHold = charge.cost > hold.amount || charge.flags.includes('overrun');
    if (overHold && permille > former) account.factor = { permille, untilMs: this.nowMs + 24 * 3_600_000 };
    const paid = charge.cost > most && booked !== true ? overrun(charge, most, set, reach) : charge;
    const reported = charge.usage.prompt + charge.usage.completion;
    const paidTokens = charge.flags.includes('uncharged') ? 0 : reported;
    const tokens = paid.cost > 0n ? paidTokens : (unpaidTokens ?? paidTokens);
    this.tombstones.end(hold.requestId, {
      hold: { ...hold, admittedAtMs: known?.hold.admittedAtMs ?? hold.admittedAtMs },
      lowered: false,
      state: kind,
      leaseEndsMs: 0,
      delivered: 0,
      charge: paid,
      pending: paid.cost > 0n,
      countedRequests: known === undefined ? 1 : known.countedRequests,
      countedTokens: tokens,
      endedAtMs: this.nowMs,
      seq: (this.#seq += 1),
      acked: false,
    });
    if (lapsesAtMs !== undefined) this.batch.lapsing.set(hold.requestId, lapsesAtMs);
    return this.#settled(hold.requestId, false);
  }

  void(requestId: string, accountId: string, giveBack: boolean): void {
    const known = this.requests.get(requestId);
    this.account(accountId);
    if (known !== undefined && known.state !== 'held') return;
    const hold = known?.hold ?? ({ requestId, accountId, keyId: '', admittedAtMs: this.nowMs } as Hold);
    this.tombstones.end(requestId, {
      ...(known ?? { lowered: false, leaseEndsMs: 0, delivered: 0 }),
      hold,
      state: 'void',
      charge: null,
      pending: false,
      countedRequests: known === undefined || giveBack ? 0 : 1,
      countedTokens: 0,
      endedAtMs: this.nowMs,
      seq: 0,
      acked: true,
    });
  }

  isHot(accountId: string): boolean {
    const { ledger, profile, verified } = this.account(accountId);
    return verified && ledger !== undefined && profile !== undefined;
  }

  publish(publications: readonly Publication[], read: boolean): void {
    for (const { accountId, ledger, profile, appliedEventIds } of publications) {
      const account = this.account(accountId);
      if (ledger !== null) {
        for (const eventId of appliedEventIds) this.#applied(eventId);
        const version = account.ledger?.version ?? 0;
        if (ledger.version > version) account.ledger = ledger;
        else if (ledger.version === version)
          account.ledger = { ...ledger, spentByKey: { ...account.ledger!.spentByKey, ...ledger.spentByKey } };
      }
      if (profile !== null && profile.version >= (account.profile?.version ?? 0)) account.profile = profile;
      if (read) account.verified = true;
      if (this.isHot(accountId)) this.wanted.delete(accountId);
    }
  }

  expired(): { hold: Hold; deliveredTokens: number }[] {
    return [...this.requests.values()]
      .filter((request) => request.state === 'held' && request.leaseEndsMs <= this.nowMs)
      .sort((a, b) => a.leaseEndsMs - b.leaseEndsMs)
      .map(({ hold, delivered }) => ({ hold, deliveredTokens: delivered }));
  }

  /** Ids of the events in the outbox, in order. */
  outbox(): { seq: number; eventId: string }[] {
    return [...this.requests.entries()]
      .filter(([, request]) => request.seq > 0 && !request.acked)
      .map(([requestId, { seq, state }]) => ({ seq, eventId: `${requestId}:${state}` }))
      .sort((a, b) => a.seq - b.seq);
  }

  ack(throughSeq: number): void {
    const acked = [...this.requests].filter(([, { seq }]) => seq > 0 && seq <= throughSeq);
    for (const [requestId, request] of acked.sort(([, a], [, b]) => a.seq - b.seq)) {
      request.acked = true;
      this.tombstones.changed(requestId);
    }
  }

  /** Pending events that ended longer ago than this, oldest first. */
  stale(olderThanMs: number): { accountId: string; eventId: string; seq: number; acked: boolean }[] {
    return [...this.requests.entries()]
      .filter(([, { pending, endedAtMs }]) => pending && endedAtMs <= this.nowMs - olderThanMs)
      .sort(([, a], [, b]) => a.seq - b.seq)
      .map(([requestId, { hold, state, seq, acked }]) => ({
        accountId: hold.accountId,
        eventId: `${requestId}:${state}`,
        seq,
        acked,
      }));
  }

  purge(): number {
    return this.tombstones.purge(this.nowMs);
  }

  /**
   * The state was read again. Reads and leases do not outlive that, what is wanted has to be asked for again; and what
   * a new process finds of an account counts only once it is read from Postgres again.
   * @param stored ids of requests in the order in which they are kept at rest
   */
  reload(opened: boolean, stored: readonly string[]): void {
    if (opened) this.openedMs = this.nowMs;
    this.tombstones.reload(stored);
    for (const request of this.requests.values()) request.leaseEndsMs = this.nowMs + this.limits.leaseMs;
    for (const [accountId, account] of this.accounts) {
      const { ledger, profile, factor } = account;
      account.reads = [];
      if (!opened) continue;
      account.verified =
        [ledger, profile, factor].every((part) => part === undefined) &&
        this.#of(accountId, null).length === 0;
    }
    this.wanted.clear();
  }

  /** What is available after charges that are pending; undefined for an account that is not hot. */
  left(accountId: string): bigint | undefined {
    if (!this.isHot(accountId)) return undefined;
    return this.account(accountId).ledger!.balance - this.sum(accountId, null, 'pending');
  }

  stats(): { holds: number; pending: number; tombstones: number; outboxDepth: number } {
    const requests = [...this.requests.values()];
    const holds = requests.filter(({ state }) => state === 'held').length;
    return {
      holds,
      pending: requests.filter(({ pending }) => pending).length,
      tombstones: requests.length - holds,
      outboxDepth: this.outbox().length,
    };
  }

  /** Null: the key has no cap. */
  capLeft(accountId: string, keyId: string): bigint | null | 'unknown' {
    const { ledger, profile } = this.account(accountId);
    const cap = profile?.keys.find((key) => key.keyId === keyId)?.cap ?? null;
    if (cap === null) return null;
    const spent = ledger?.spentByKey[keyId];
    return spent === undefined
      ? 'unknown'
      : cap - spent - this.sum(accountId, keyId, 'held') - this.sum(accountId, keyId, 'pending');
  }

  available(accountId: string): bigint {
    const { ledger } = this.account(accountId);
    return ledger!.balance - this.sum(accountId, null, 'pending') - this.sum(accountId, null, 'held');
  }

  sum(accountId: string, keyId: string | null, what: 'held' | 'pending'): bigint {
    return this.#of(accountId, keyId).reduce((sum, request) => {
      if (what === 'held') return request.state === 'held' ? sum + request.hold.amount : sum;
      return request.pending ? sum + request.charge!.cost : sum;
    }, 0n);
  }

  live(accountId: string, keyId: string | null): number {
    return this.#of(accountId, keyId).filter((request) => request.state === 'held').length;
  }

  limitsOf(accountId: string, keyId: string): Limits {
    const { profile } = this.account(accountId);
    const own = profile!.keys.find((key) => key.keyId === keyId)?.limits;
    const state = (what: 'requests' | 'tokens', limit: number, key: string | null) => {
      const total = this.counted(accountId, key, what, this.nowMs);
      let resetMs = 0;
      if (total > 0)
        while (this.counted(accountId, key, what, this.nowMs + resetMs) > 0)
          resetMs += this.#toNextSecond(resetMs);
      return { limit, remaining: Math.max(0, limit - total), resetMs };
    };
    const tighter = (what: 'requests' | 'tokens', limit: 'rpm' | 'tpm') => {
      const whole = state(what, profile!.limits[limit], null);
      if (own?.[limit] == null) return whole;
      const key = state(what, own[limit], keyId);
      return whole.remaining < key.remaining ? whole : key;
    };
    return { requests: tighter('requests', 'rpm'), tokens: tighter('tokens', 'tpm') };
  }

  counted(accountId: string, keyId: string | null, what: 'requests' | 'tokens', atMs: number): number {
    const outlived = this.tombstones.outlived.filter(
      ({ hold }) => hold.accountId === accountId && (keyId === null || hold.keyId === keyId),
    );
    return this.#of(accountId, keyId)
      .concat(outlived)
      .filter(({ hold }) => Math.floor(hold.admittedAtMs / 1000) > Math.floor(atMs / 1000) - 60)
      .reduce(
        (sum, request) => sum + (what === 'requests' ? request.countedRequests : request.countedTokens),
        0,
      );
  }

  wait(request: Admission, what: 'requests' | 'tokens', amount: number): number {
    const { profile } = this.account(request.accountId);
    const name = what === 'requests' ? 'rpm' : 'tpm';
    const own = profile!.keys.find((key) => key.keyId === request.keyId)?.limits[name] ?? null;
    const one = (limit: number, keyId: string | null): number => {
      if (limit === 0) return Infinity;
      for (let waitMs = 0; ; waitMs += this.#toNextSecond(waitMs)) {
        const total = this.counted(request.accountId, keyId, what, this.nowMs + waitMs);
        if (total === 0 || total + amount <= limit) return waitMs;
      }
    };
    return Math.max(one(profile!.limits[name], null), own === null ? 0 : one(own, request.keyId));
  }

  slotWait({ accountId, keyId }: Admission): number {
    const { profile } = this.account(accountId);
    const own = profile!.keys.find((key) => key.keyId === keyId)?.limits.concurrency ?? null;
    const limit = profile!.limits.concurrency;
    if (limit === 0 || own === 0) return Infinity;
    return this.live(accountId, null) < limit && (own === null || this.live(accountId, keyId) < own)
      ? 0
      : 1_000;
  }

  amount(
    { promptLikely, promptBound, completions, price }: Admission,
    ceiling: number,
    permille: number,
  ): bigint {
    const usual = Math.ceil((promptLikely * 1_250) / 1000);
    const seen = Math.min(promptBound, Math.ceil((promptLikely * permille) / 1000));
    const prompt = permille > 1_250 ? Math.max(usual, seen) : usual;
    const total = BigInt(completions) * (BigInt(prompt) * price.input + BigInt(ceiling) * price.output);
    return total / 1_000_000n + (total % 1_000_000n === 0n ? 0n : 1n);
  }

  #settled(requestId: string, repeated: boolean): SettlementResult {
    const { hold, charge } = this.requests.get(requestId)!;
    const { accountId, keyId } = hold;
    const limits = this.isHot(accountId) ? this.limitsOf(accountId, keyId) : null;
    return { outcome: 'settled', charge: charge!, repeated, limits };
  }

  #applied(eventId: string): void {
    const requestId = eventId.slice(0, eventId.lastIndexOf(':'));
    const request = this.requests.get(requestId);
    if (request === undefined || eventId !== `${requestId}:${request.state}`) return;
    request.pending = false;
    this.tombstones.changed(requestId);
  }

  #hold(hold: Hold, lowered: boolean, delivered: number): void {
    this.requests.set(hold.requestId, {
      hold,
      lowered,
      state: 'held',
      leaseEndsMs: this.nowMs + this.limits.leaseMs,
      delivered,
      charge: null,
      pending: false,
      countedRequests: 1,
      countedTokens: hold.windowTokens,
      endedAtMs: 0,
      seq: 0,
      acked: true,
    });
  }

  #of(accountId: string, keyId: string | null): Request[] {
    return [...this.requests.values()].filter(
      ({ hold }) => hold.accountId === accountId && (keyId === null || hold.keyId === keyId),
    );
  }

  #toNextSecond(passedMs: number): number {
    return 1000 - ((this.nowMs + passedMs) % 1000);
  }
}
