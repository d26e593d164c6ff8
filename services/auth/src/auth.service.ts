import { AuthPort, type AdmitReply, type Hold, type InspectReply, type UsageEvent } from '@tunan/contracts';
import { Fault, within, type Clock } from '@tunan/kernel';
import type { AccountRefresher } from './account-refresher.js';
import type { AuthMetrics } from './auth.metrics.js';
import type { Catalogs } from './catalogs.js';
import type { ColdAccounts, LoadOutcome } from './cold-accounts.js';
import { charge, unpaidTokens, type Charge, type ChargeFlag } from './domain/charge.js';
import type { Admission } from './domain/hold.js';
import type { AdmissionResult, Settlement, SettlementResult } from './domain/operations.js';
import { usageEventOfSettlement } from './domain/usage-event.js';
import type { KeyDirectory } from './key-directory.js';
import type { IdempotentAnswers } from './ports/idempotent-answers.js';
import type { UsageLedger } from './ports/usage-ledger.js';
import type { StoreOrigin } from './store-origin.js';
import type { UsageRelay } from './usage-relay.js';
import type { AdmissionStore } from './store/admission-store.js';

/** When to ask again for an account that is not hot yet. */
const COLD_RETRY_MS = 1_000;
/** When to ask again while usage events can't leave: billing has to come back first. */
const FULL_RETRY_MS = 5_000;

const LAPSED_RETRY_MS = 1_000;

/** What the service answers with; each is a part of its own. */
export interface AuthParts {
  readonly store: AdmissionStore;
  readonly catalogs: Catalogs;
  readonly keys: KeyDirectory;
  readonly answers: IdempotentAnswers;
  readonly cold: ColdAccounts;
  readonly origin: StoreOrigin;
  readonly refresher: AccountRefresher;
  readonly relay: UsageRelay;
  readonly ledger: UsageLedger;
  readonly metrics: AuthMetrics;
  readonly clock: Clock;
  /** How long a request may wait for its cold account to be loaded, and to find out about a new file. */
  readonly coldWaitMs: number;
}

/** The calls that auth answers: each resolves to a decision or fails with a Fault. */
export class AuthService extends AuthPort {
  constructor(private readonly parts: AuthParts) {
    super();
  }

  override identify: AuthPort['identify'] = async ({ keyDigest }) => {
    const { keys, metrics } = this.parts;
    const principal = await keys.identify(keyDigest);
    metrics.identifications.inc({ result: principal === null ? 'unknown' : 'known' });
    return { principal };
  };

  override admit: AuthPort['admit'] = async (request) => {
    const { price, ceilingDefault } = await this.parts.catalogs.terms(request.catalogVersion, request.model);
    const reply = await this.#admit({ ...request, price, ceilingDefault });
    const reason = reply.outcome === 'denied' ? reply.reason : '';
    this.parts.metrics.admits.inc({ outcome: reply.outcome, reason });
    return reply;
  };

  override renew: AuthPort['renew'] = ({ hold, deliveredTokens }) =>
    this.parts.store.renew(hold, deliveredTokens);

  override settle: AuthPort['settle'] = async (request) => {
    const { hold, outcome, usage, deliveredTokens, served, workedFor, traceparent } = request;
    const terms = await this.parts.catalogs.terms(hold.catalogVersion, hold.model);
    const ending = { outcome, usage, deliveredTokens, reached: served !== null, workedFor };
    const charged = charge(ending, hold, terms);
    const unpaid = unpaidTokens(ending, hold, charged);
    const result = await this.#settle({
      kind: 'final',
      hold,
      outcome,
      charge: charged,
      unpaidTokens: unpaid,
      served,
      traceparent,
      price: terms.price,
      lapsesAtMs: request.lapsesAtMs,
    });
    if (result.outcome !== 'settled') {
      throw new Fault(
        result.outcome === 'refused' && (await this.#isUncharged(hold))
          ? 'settlement_lapsed'
          : 'service_unavailable',
        'The service is not available at the moment. Please retry.',
        { internal: 'the settlement came too late, or the ledger has none', retryAfterMs: LAPSED_RETRY_MS },
      );
    }
    if (!result.repeated) {
      this.#settled(outcome, result.charge);
      this.parts.metrics.unpaidTokens.inc({ outcome }, unpaid ?? 0);
    }
    const { cost, flags } = result.charge;
    return {
      cost,
      usage: result.charge.usage,
      flags: [...flags],
      ...(result.limits === null ? {} : { limits: result.limits }),
    };
  };

  override void: AuthPort['void'] = async ({ requestId, accountId, giveBackRequest }) => {
    await this.parts.store.void(requestId, accountId, giveBackRequest);
    return {};
  };

  override inspect: AuthPort['inspect'] = async ({ accountId, keyId, countedAs }) => {
    const { store } = this.parts;
    const first = await store.inspect(accountId, keyId, countedAs);
    if (first.outcome === 'known') return first;
    const loaded = await this.#load(accountId);
    if (loaded === 'missing') throw new Fault('not_found', 'No such account.');
    const second = loaded === 'loaded' ? await store.inspect(accountId, keyId, countedAs) : first;
    return second.outcome === 'known' ? second : (COLD satisfies InspectReply);
  };

  override findUsage: AuthPort['findUsage'] = async ({ accountId, requestId }) => ({
    event: await this.parts.store.findUsage(accountId, requestId),
  });

  override publish: AuthPort['publish'] = async ({ publications }) => {
    await this.parts.store.publish(publications, null);
    return {};
  };

  override refresh: AuthPort['refresh'] = async ({ accountIds }) => {
    await this.parts.refresher.refresh(accountIds);
    return {};
  };

  override findIdempotent: AuthPort['findIdempotent'] = ({ requestHash, ...request }) =>
    this.parts.answers.find(request, requestHash);

  override beginIdempotent: AuthPort['beginIdempotent'] = ({ requestHash, ...request }) =>
    // A mark is renewed in Postgres, which may be away; a hold is not. So the hold says whether its request still runs.
    this.parts.answers.begin(request, requestHash, (requestId) => this.parts.store.isHeld(requestId));

  override endIdempotent: AuthPort['endIdempotent'] = async ({ end, ...request }) => ({
    owned: await this.parts.answers.end(request, end),
  });

  override catalog: AuthPort['catalog'] = async ({ knownVersion, version }) => ({
    snapshot: await this.parts.catalogs.snapshot(knownVersion, version),
  });

  /**
   * Settles; a charge that the ledger may have already is the ledger's to tell. One that lapses is only asked for: nobody
   * but the store can refuse at the right moment, so what the ledger does not have is not charged.
   */
  async #settle(settlement: Settlement): Promise<SettlementResult> {
    const { store, ledger, clock } = this.parts;
    const first = await store.settle(settlement);
    if (first.outcome !== 'uncertain') return first;
    const { hold, lapsesAtMs } = settlement;
    const own = { ...settlement, charge: first.charge, booked: true, lapsesAtMs: undefined };
    const event =
      lapsesAtMs === undefined
        ? await ledger.book(usageEventOfSettlement(own, clock.nowMs()))
        : await ledger.find(hold.accountId, hold.requestId);
    if (event !== null) return store.settle({ ...own, charge: chargeOf(event) });
    // Not refused for good: an earlier one may still be on its way to the ledger.
    return lapsesAtMs === undefined ? store.settle(own) : first;
  }

  /**
   * Whether what the store refused was not charged: a store that has lost its file also refuses what it booked before, which
   * the ledger may have. What was unmade is there as failed.
   */
  async #isUncharged({ accountId, requestId }: Hold): Promise<boolean> {
    const event = await this.parts.ledger.find(accountId, requestId);
    return event === null || event.data.outcome === 'failed';
  }

  async #admit(admission: Admission): Promise<AdmitReply> {
    const { store } = this.parts;
    let result = await store.admit(admission);
    if (result.outcome === 'cold') {
      const loaded = await this.#load(admission.accountId);
      // Postgres was asked and has no such account: that is an answer about the key, not trouble of ours.
      if (loaded === 'missing') return NO_ACCOUNT;
      if (loaded === 'failed') return COLD;
      result = await store.admit(admission);
    }
    if (result.outcome === 'incomplete' && (await this.#isFirstStore()))
      result = await store.admit(admission);
    return toReply(result);
  }

  #load(accountId: string): Promise<LoadOutcome> {
    const { cold, clock, coldWaitMs } = this.parts;
    return within(clock, coldWaitMs, cold.load(accountId), 'failed');
  }

  #isFirstStore(): Promise<boolean> {
    const { origin, clock, coldWaitMs } = this.parts;
    return within(clock, coldWaitMs, origin.isFirst(), false);
  }

  #settled(outcome: string, { flags }: Charge): void {
    const { metrics, relay } = this.parts;
    metrics.settlements.inc({ outcome });
    for (const flag of flags) metrics.chargeFlags.inc({ flag });
    relay.wake();
  }
}

/** Flags of an event are the ones that a charge had. */
const chargeOf = ({ data: { cost, usage, flags, means } }: UsageEvent): Charge => ({
  cost,
  usage,
  flags: flags as ChargeFlag[],
  means,
});

const COLD = { outcome: 'cold', retryAfterMs: COLD_RETRY_MS } as const;

const NO_ACCOUNT: AdmitReply = {
  outcome: 'denied',
  reason: 'invalid_api_key',
  limits: null,
  retryAfterMs: null,
  needed: null,
  available: null,
};

const toReply = (result: AdmissionResult): AdmitReply => {
  switch (result.outcome) {
    case 'granted':
    case 'denied':
      return result;
    case 'cold':
      return COLD;
    case 'incomplete':
      return { outcome: 'cold', retryAfterMs: result.retryAfterMs };
    case 'ended':
      throw new Fault('service_unavailable', 'The request has ended. Please retry.', {
        internal: 'admission of a request that was settled, voided or lost before',
      });
    case 'full':
      throw new Fault('service_unavailable', 'The service is not available at the moment. Please retry.', {
        internal: 'the outbox is full: billing does not take usage events',
        retryAfterMs: FULL_RETRY_MS,
      });
  }
};
