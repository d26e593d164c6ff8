import { z } from 'zod';
import { catalogSnapshot } from '../catalog/catalog.js';
import { usageEvent } from '../events/usage-event.js';
import { count, id, nano } from '../wire.js';
import { reportedUsage, usage } from '../usage.js';
import {
  beginIdempotentReply,
  endIdempotentReply,
  endIdempotentRequest,
  findIdempotentReply,
  hashedRequest,
} from './idempotency.js';
import { call, type ContractSpec, type Port } from './contract.js';
import { hold, limits, operation, settleOutcome } from './hold.js';

/** Who a key belongs to, and the facts that never need an atomic decision. */
export const principal = z.object({
  accountId: id,
  keyId: id,
  tier: z.enum(['free', 'paid']),
  /** Model ids this key may use, or null for all. Decided again at admission. */
  models: z.array(id).nullable(),
  /** False if this account or key refuses model aliases. */
  aliases: z.boolean(),
  /** Concurrent requests of the account, if it has a limit of its own instead of its tier's. */
  concurrency: count.optional(),
});
export type Principal = z.output<typeof principal>;

/** Why an admission was refused. Every reason is the customer's own; trouble of ours is a Fault or `cold`. */
export const denialReason = z.enum([
  'invalid_api_key',
  'account_suspended',
  'email_unverified',
  'model_not_allowed',
  'key_cap_reached',
  'requests',
  'concurrency',
  'credit',
  'tokens',
]);
export type DenialReason = z.output<typeof denialReason>;

const admitRequest = z.object({
  requestId: id,
  accountId: id,
  keyId: id,
  model: id,
  operation,
  stream: z.boolean(),
  catalogVersion: count,
  completions: z.int().min(1),
  promptLikely: count,
  promptBound: count,
  /** The client's explicit limit of output tokens per completion: taken whole or refused. Null: ours to choose. */
  ceiling: count.nullable(),
});
export type AdmitRequest = z.output<typeof admitRequest>;

const admitReply = z.discriminatedUnion('outcome', [
  z.object({
    outcome: z.literal('granted'),
    hold,
    /** True if the ceiling is below the model's default because the credit does not reach further. */
    lowered: z.boolean(),
    limits,
    /** The hold is swept if it is not renewed for this long. */
    leaseMs: count,
  }),
  z.object({
    outcome: z.literal('denied'),
    reason: denialReason,
    limits: limits.nullable(),
    /** After this time the same request is admitted if nothing else is sent; null if waiting does not help. */
    retryAfterMs: count.nullable(),
    /** For `credit` and `key_cap_reached`: what the request needs and what there is. */
    needed: nano.nullable(),
    available: nano.nullable(),
  }),
  /** No hot state for this account: the answer is 503 and a retry, never 402 and never free. */
  z.object({ outcome: z.literal('cold'), retryAfterMs: count }),
]);
export type AdmitReply = z.output<typeof admitReply>;

/**
 * Who runs a request renews its hold so often within a lease, whether it is answered or not: one renewal that is lost does
 * not end it, and a store that has lost its file knows after how long every hold has come back.
 */
export const RENEWALS_PER_LEASE = 4;

const renewReply = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('renewed'), leaseMs: count }),
  /** The request was settled meanwhile: its stream must end. */
  z.object({ outcome: z.literal('settled') }),
]);

const settleRequest = z.object({
  hold,
  outcome: settleOutcome,
  /** What the provider reported, or null if it never did. */
  usage: reportedUsage.nullable(),
  /** Output tokens that were delivered, estimated; the charge where `usage` is null. */
  deliveredTokens: count,
  /** What served the request, for the record. Null if nothing did. */
  served: z
    .object({ provider: id, upstreamModel: id, channel: id, attempts: z.int().min(1), fallback: z.boolean() })
    .nullable(),
  traceparent: z.string().max(64).nullable(),
  /**
   * A provider has worked for the request, and did not fail by itself: what it did counts as tokens per minute also where
   * nobody pays for it.
   */
  workedFor: z.boolean().optional(),
  /**
   * Not made any more from this time on, by the clock of `hold.admittedAtMs`: by then the caller has told its client
   * that the answer failed. A settlement that was made before is answered also later.
   */
  lapsesAtMs: count.optional(),
});
export type SettleRequest = z.output<typeof settleRequest>;

const settleReply = z.object({
  /** What is charged: the figure shown to the client and the amount of the ledger row. */
  cost: nano,
  /** The usage that was charged; estimated where `flags` say so. */
  usage,
  flags: z.array(z.string().max(32)),
  /** The limiter's state right after it; absent while the account's is not known. */
  limits: limits.optional(),
});
export type SettleReply = z.output<typeof settleReply>;

/** Balance of an account after a ledger transaction. Assigned if its version is newer, never added. */
export const ledgerState = z.object({
  version: count,
  balance: nano,
  /** Lifetime charges and number of charged requests. */
  spent: nano,
  requests: count,
  /** Lifetime charges per key; complete for every key that has a cap. */
  spentByKey: z.record(id, nano),
});
export type LedgerState = z.output<typeof ledgerState>;

/** Status, limits and keys of an account. Assigned if its version is newer. */
export const accountProfile = z.object({
  version: count,
  status: z.enum(['active', 'suspended', 'unverified']),
  email: z.string().max(320),
  displayName: z.string().max(128),
  tier: z.enum(['free', 'paid']),
  limits: z.object({ rpm: count, tpm: count, concurrency: count }),
  aliases: z.boolean(),
  keys: z.array(
    z.object({
      keyId: id,
      name: z.string().max(128),
      status: z.enum(['active', 'revoked']),
      expiresAtMs: count.nullable(),
      models: z.array(id).nullable(),
      /** Lifetime spend cap of the key, or null. */
      cap: nano.nullable(),
      limits: z.object({ rpm: count.nullable(), tpm: count.nullable(), concurrency: count.nullable() }),
    }),
  ),
});
export type AccountProfile = z.output<typeof accountProfile>;

/** News about one account from Postgres to the store: parts that changed, and usage events that are applied. */
export const publication = z.object({
  accountId: id,
  ledger: ledgerState.nullable(),
  profile: accountProfile.nullable(),
  /** Ids of usage events that `ledger.balance` contains: they leave the pending set. */
  appliedEventIds: z.array(id),
});
export type Publication = z.output<typeof publication>;

/** What a look at an account counts as; each kind but the first has a limit per minute. */
export const countedAs = z.enum([
  'nothing',
  /** A read of the account's own data: the limit is the account's. */
  'read',
  /** A request that failed validation: the limit is the key's. */
  'malformed',
]);
export type CountedAs = z.output<typeof countedAs>;

const inspectReply = z.discriminatedUnion('outcome', [
  z.object({
    outcome: z.literal('known'),
    keyActive: z.boolean(),
    /** Credit that is left: ledger balance less pending charges. Holds are not spent yet. */
    left: nano,
    /** Lifetime charges, pending ones included. */
    spent: nano,
    requests: count,
    /** What the key has spent, pending charges included, and what is left of its own cap; null if it has none. */
    keyBudget: z.object({ spent: nano, left: nano }).nullable(),
    profile: accountProfile,
    /** State of the limits of inference; what is counted here has limits of its own. */
    limits,
    /** Set if the limit of what this call counted as is used up; for a read, the state must then not be shown. */
    retryAfterMs: count.nullable(),
  }),
  z.object({ outcome: z.literal('cold'), retryAfterMs: count }),
]);
export type InspectReply = z.output<typeof inspectReply>;

const FAST_MS = 1_000;

/** Admission, settlement and what else `auth` answers. */
export const authContract = {
  service: 'auth',
  calls: {
    /** Finds the principal of a key by the SHA-256 of the key. Null: no such key, or it is revoked or expired. */
    identify: call(
      z.object({ keyDigest: z.string().regex(/^[0-9a-f]{64}$/) }),
      z.object({ principal: principal.nullable() }),
      {
        callers: ['ingress'],
        timeoutMs: FAST_MS,
      },
    ),
    /** Decides, in one atomic step, whether a request may run, and sets its credit aside. Idempotent by request id. */
    admit: call(admitRequest, admitReply, { callers: ['ingress'], timeoutMs: FAST_MS }),
    /** Extends a hold's lease and records how much was delivered; recreates the hold if the store lost it. */
    renew: call(z.object({ hold, deliveredTokens: count }), renewReply, {
      callers: ['ingress'],
      timeoutMs: FAST_MS,
    }),
    /** Turns a hold into a charge, durably, once per request however often it is called. */
    settle: call(settleRequest, settleReply, { callers: ['ingress'], timeoutMs: 5_000 }),
    /** Gives a hold up without a charge. Leaves a tombstone also where no hold is known, so that a late admit fails. */
    void: call(z.object({ requestId: id, accountId: id, giveBackRequest: z.boolean() }), z.object({}), {
      callers: ['ingress'],
      timeoutMs: FAST_MS,
    }),
    /** State of an account for its own eyes, and of the limits for whoever is answered without an admission. */
    inspect: call(z.object({ accountId: id, keyId: id, countedAs }), inspectReply, {
      callers: ['ingress', 'account'],
      timeoutMs: FAST_MS,
    }),
    /**
     * The usage event of a request that was settled and whose event billing has not confirmed yet; null: ask billing.
     */
    findUsage: call(z.object({ accountId: id, requestId: id }), z.object({ event: usageEvent.nullable() }), {
      callers: ['ingress'],
      timeoutMs: FAST_MS,
    }),
    /** Takes news about accounts that were read in one Postgres transaction. */
    publish: call(z.object({ publications: z.array(publication).max(5_000) }), z.object({}), {
      callers: ['billing'],
      timeoutMs: 5_000,
    }),
    /** Reads these accounts from Postgres again. Carries no amounts, so a repeated or late call does no harm. */
    refresh: call(z.object({ accountIds: z.array(id).max(1_000) }), z.object({}), {
      callers: ['account', 'billing'],
      timeoutMs: 5_000,
    }),
    /** What became of the first request with an idempotency key. Writes nothing. */
    findIdempotent: call(hashedRequest, findIdempotentReply, { callers: ['ingress'], timeoutMs: 2_000 }),
    /** Sets the mark of a request with an idempotency key, or says what became of the first one. */
    beginIdempotent: call(hashedRequest, beginIdempotentReply, {
      callers: ['ingress'],
      timeoutMs: 2_000,
    }),
    /** Says how a marked request goes on. Of a request whose mark is no longer its own, nothing is taken. */
    endIdempotent: call(endIdempotentRequest, endIdempotentReply, {
      callers: ['ingress'],
      timeoutMs: 2_000,
    }),
    /** The active catalog, or null if it is still `knownVersion`; or the snapshot `version`, if given. */
    catalog: call(
      z.object({ knownVersion: count.nullable(), version: count.nullable() }),
      z.object({ snapshot: catalogSnapshot.nullable() }),
      { callers: ['ingress', 'router', 'connector'], timeoutMs: 5_000 },
    ),
  },
} as const satisfies ContractSpec;

/** Injection token and type of the auth service as its callers see it. */
export abstract class AuthPort implements Port<typeof authContract> {
  abstract identify: Port<typeof authContract>['identify'];
  abstract admit: Port<typeof authContract>['admit'];
  abstract renew: Port<typeof authContract>['renew'];
  abstract settle: Port<typeof authContract>['settle'];
  abstract void: Port<typeof authContract>['void'];
  abstract inspect: Port<typeof authContract>['inspect'];
  abstract findUsage: Port<typeof authContract>['findUsage'];
  abstract publish: Port<typeof authContract>['publish'];
  abstract refresh: Port<typeof authContract>['refresh'];
  abstract findIdempotent: Port<typeof authContract>['findIdempotent'];
  abstract beginIdempotent: Port<typeof authContract>['beginIdempotent'];
  abstract endIdempotent: Port<typeof authContract>['endIdempotent'];
  abstract catalog: Port<typeof authContract>['catalog'];
}
