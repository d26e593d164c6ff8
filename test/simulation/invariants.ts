import { allowedCharges, endOf, holdRange, settledCharges } from './oracle.js';
import type { Story } from './request-plan.js';
import type { Held } from './store-witness.js';
import type { AccountView, World } from './world.js';

/** A promise that was broken. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

const fail = (promise: string, facts: unknown): never => {
  const text = JSON.stringify(facts, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
  throw new Violation(`${promise}: ${text}`);
};

/** Credit that left an account without a hold: by so much it may be short of what holds promise. */
const takenBack = ({ scenario, database }: World, accountId: string): bigint => {
  const posted = new Set(database.ledger.transfers.map(({ eventId }) => eventId));
  return scenario.postings
    .filter((each) => each.accountId === accountId && each.amount < 0n && posted.has(each.eventId))
    .reduce((sum, { amount }) => sum - amount, 0n);
};

/** The store never sells what is not there, nor what it does not know to be there. Called at every new grant. */
export const checkGrant = (world: World, { accountId, keyId, amount }: Held): void => {
  const known = world.witness.knownReach(accountId, keyId);
  if (known === null || known < 0n)
    fail('a grant beyond what the store knew', { accountId, keyId, amount, known });
  const free = world.witness.freeCredit(accountId);
  if (free < 0n && free < -takenBack(world, accountId))
    fail('a grant beyond the credit of the account', { accountId, free });
};

/** Sums over the ledger's transfers, kept up to date as they come: transfers are only ever appended. */
export class LedgerWatch {
  #seen = 0;
  readonly #balances = new Map<string, bigint>();
  readonly #promo = new Map<string, bigint>();
  /** By request. */
  readonly charged = new Map<string, bigint>();
  readonly postings = new Map<string, bigint>();
  readonly writtenOff = new Map<string, bigint>();

  constructor(private readonly world: World) {}

  /** Every account is the sum of its transfers and never below zero. Called after every step. */
  check(): void {
    const { accounts, transfers } = this.world.database.ledger;
    if (transfers.length < this.#seen) fail('transfers are append-only', { length: transfers.length });
    if (transfers.length === this.#seen) return;
    for (const transfer of transfers.slice(this.#seen)) this.#add(transfer);
    this.#seen = transfers.length;
    for (const { accountId, balance, promo } of accounts.values()) {
      if (balance < 0n) fail('a balance below zero', { accountId, balance });
      if (balance !== (this.#balances.get(accountId) ?? 0n))
        fail('a balance that is not the sum of its transfers', { accountId, balance });
      if (promo !== (this.#promo.get(accountId) ?? 0n) || promo < 0n || promo > balance)
        fail('promotional credit that is not the sum of its transfers', { accountId, balance, promo });
    }
  }

  #add(transfer: World['database']['ledger']['transfers'][number]): void {
    const { debit, credit, amount, promo, eventId, kind } = transfer;
    const takes = debit.startsWith('customer:');
    if (amount <= 0n || takes === credit.startsWith('customer:'))
      fail('a transfer of one customer', transfer);
    const accountId = (takes ? debit : credit).slice('customer:'.length);
    const signed = takes ? -amount : amount;
    const add = (sums: Map<string, bigint>, key: string, value: bigint): void =>
      void sums.set(key, (sums.get(key) ?? 0n) + value);
    add(this.#balances, accountId, signed);
    add(this.#promo, accountId, takes ? -promo : promo);
    const requestId = /^(.+):(?:final|lost)$/.exec(eventId)?.[1];
    if (requestId === undefined) add(this.postings, eventId, signed);
    else if (kind === 'writeoff') add(this.writtenOff, accountId, signed);
    else add(this.charged, requestId, -signed);
  }
}

/** When everything has come to rest: each request has its one charge, and nobody disagrees about anything. */
export const checkAtRest = async (
  world: World,
  watch: LedgerWatch,
  views: readonly AccountView[],
): Promise<void> => {
  for (const story of world.stories.values()) {
    checkRequest(world, watch, story);
    checkAnswer(story, world.scenario.leaseMs);
  }
  for (const requestId of watch.charged.keys())
    if (!world.stories.has(requestId)) fail('a charge without a request', { requestId });
  checkPostings(world, watch);
  const { ledger } = world.database;
  for (const letter of ledger.deadLetters)
    if (!isOvertaken(world, letter)) fail('an event put aside', letter);
  for (const { accountId } of world.scenario.accounts) checkAccount(world, watch, accountId);
  for (const view of views) checkView(world, view);
  const stats = await world.store.stats();
  if (stats.holds !== 0) fail('a hold that outlived its lease', stats);
  if (stats.pending !== 0) fail('a charge that is pending for ever', stats);
  if (stats.outboxDepth !== 0) fail('an event that never left the outbox', stats);
  const unpublished = await world.database.publications.countUnpublished();
  if (unpublished !== 0) fail('news that never reached the store', { unpublished });
};

const checkRequest = (world: World, watch: LedgerWatch, story: Story): void => {
  const { requestId } = story.plan;
  const charged = watch.charged.get(requestId) ?? 0n;
  const isBooked = world.database.ledger.usage.has(`${requestId}:final`);
  if (world.witness.hasFinal(requestId) && !isBooked)
    fail('a settlement that never reached the ledger', { story });
  story.finalStands = isBooked;
  const allowed = allowedCharges(story);
  if (!allowed.includes(charged)) fail('a charge that the rules do not allow', { charged, allowed, story });
  const { cost } = story.client;
  // What was answered before it was lost with the store's file was right at the time.
  const isLost = cost !== undefined && story.lostCosts.includes(cost) && settledCharges(story).includes(cost);
  if (cost !== undefined && cost !== charged && !isLost)
    fail('a charge that is not the cost that the client was shown', { charged, story });
  if (story.ceiling !== null && !world.witness.granted.has(requestId))
    fail('a provider was asked without credit set aside', { story });
  if (story.ceiling === null || story.held === null) return;
  const { least, most } = holdRange(story);
  if (story.held < least || story.held > most) fail('a hold of another size', { least, most, story });
};

/** What the client has of its answer is what there was to have, and why it has no more. */
const checkAnswer = (story: Story, leaseMs: number): void => {
  const { plan, client, endedByStoreAtMs } = story;
  const isWhole = endOf(story)?.how === 'whole';
  if (client.complete && (!isWhole || client.status !== 200))
    fail('a whole answer of a provider that gave none', { story });
  // A stream whose client was told of an error, because it could not be settled as whole, is settled as cut off.
  const isCutOff = plan.stream && story.settledAs[0] === 'completed' && story.settledAs.at(-1) === 'cut';
  const isGiven = client.complete || client.leftAtMs !== null || story.gatewayDied || isCutOff;
  if (isWhole && story.settle === 'answered' && !isGiven)
    fail('an answer that was settled and not given', { story });
  if (client.complete && (client.cost !== undefined) !== (!plan.stream || plan.includeUsage))
    fail('a whole answer without its cost, or with one that nobody asked for', { story });
  const isEarly = endedByStoreAtMs !== null && endedByStoreAtMs < story.leaseFromMs + leaseMs;
  if (isEarly && endOf(story)?.atMs === endedByStoreAtMs)
    fail('a request that was ended within its lease', { story });
};

interface Overtaken {
  readonly reason: string;
  readonly eventId: string | null;
}

/** An event that was made once more, because a file with the first one was lost: that one stands. */
const isOvertaken = ({ witness }: World, { reason, eventId }: Overtaken): boolean =>
  reason === 'conflict' && eventId !== null && witness.mayBeMadeAgain.has(eventId);

const checkPostings = (world: World, watch: LedgerWatch): void => {
  for (const { plan, outcome, asked } of world.postings) {
    const posted = watch.postings.get(plan.eventId) ?? 0n;
    // A refusal is for lack of credit: whoever asks again, or is delivered again, may find that there is some.
    const allowed = outcome === 'posted' ? [plan.amount] : asked > 1 ? [0n, plan.amount] : [0n];
    if (outcome === 'unknown' || !allowed.includes(posted))
      fail('a payment that was not booked once', { plan, outcome, asked, posted });
  }
};

const checkAccount = (world: World, watch: LedgerWatch, accountId: string): void => {
  const { ledger } = world.database;
  const account = ledger.accounts.get(accountId)!;
  const { keys } = world.scenario.accounts.find((plan) => plan.accountId === accountId)!;
  const spent = keys.reduce((sum, { keyId }) => sum + ledger.keys.get(keyId)!.spent, 0n);
  if (spent !== account.spent)
    fail('charges of keys that are not those of their account', { account, spent });
  const lost = watch.writtenOff.get(accountId) ?? 0n;
  const back = takenBack(world, accountId);
  const unheld = unheldCharges(world, watch, ({ plan }) => plan.accountId === accountId);
  if (lost > back + unheld)
    fail('an account spent more than it had', { accountId, lost, takenBack: back, unheld });
  for (const { keyId, cap } of keys) {
    const spentByKey = ledger.keys.get(keyId)!.spent;
    const unheldByKey = unheldCharges(world, watch, ({ plan }) => plan.keyId === keyId);
    if (cap !== null && spentByKey > cap + unheldByKey)
      fail('a key spent more than its cap', { keyId, cap, spent: spentByKey, unheld: unheldByKey });
  }
};

/** The store says of an account and its key what the ledger says. */
const checkView = ({ database }: World, { accountId, keyId, cap, seen }: AccountView): void => {
  const { balance, spent, requests } = database.ledger.accounts.get(accountId)!;
  if (seen.outcome === 'cold') return fail('an account that stays cold', { accountId });
  const spentByKey = database.ledger.keys.get(keyId)!.spent;
  const budget = cap === null ? null : { spent: spentByKey, left: cap - spentByKey };
  if (
    seen.left !== balance ||
    seen.spent !== spent ||
    seen.requests !== requests ||
    seen.keyBudget?.spent !== budget?.spent ||
    seen.keyBudget?.left !== budget?.left
  )
    fail('the store and the ledger disagree', { seen, balance, spent, requests, keyId, budget });
};

/**
 * Charges for which no credit was set aside any more, the loss of which the rules let us bear: of requests that were
 * settled after their lease, and of those whose hold or settlement was lost with the store's file.
 */
const unheldCharges = (
  { witness, stories }: World,
  watch: LedgerWatch,
  counts: (story: Story) => boolean,
): bigint => {
  let charges = 0n;
  for (const requestId of new Set([...witness.lateFinals, ...witness.forgotten]))
    if (counts(stories.get(requestId)!)) charges += watch.charged.get(requestId) ?? 0n;
  return charges;
};
