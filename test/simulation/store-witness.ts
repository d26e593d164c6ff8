import type { Publication } from '@tunan/contracts';
import type { AdmissionStore } from '@tunan/auth/testing';
import type { Database } from './database.js';

/** A settlement that the store has done. */
interface Settled {
  readonly accountId: string;
  readonly keyId: string;
  readonly kind: 'final' | 'lost';
  readonly cost: bigint;
  /** The store was told that the ledger contains it. */
  readonly applied: boolean;
}

/** Credit that the store has set aside. */
export interface Held {
  readonly accountId: string;
  readonly keyId: string;
  readonly amount: bigint;
}

/** What the store has done with requests, by their ids. */
interface Requests {
  readonly settled: Map<string, Settled>;
  readonly held: Map<string, Held>;
  /** Ids of the usage events that it has made. */
  readonly events: Set<string>;
}

const NO_REQUESTS = (): Requests => ({ settled: new Map(), held: new Map(), events: new Set() });

const copyOf = ({ settled, held, events }: Requests): Requests => ({
  settled: new Map(settled),
  held: new Map(held),
  events: new Set(events),
});

/** What was lost with a store's file, by request. */
export interface Losses {
  /** Costs of final settlements that the ledger has not got yet. */
  readonly finals: ReadonlyMap<string, bigint>;
  /** Whatever of their progress is not in the copy. */
  readonly progress: readonly string[];
}

/** The ledger of an account as the store was told of it since its opening. */
interface Told {
  readonly ledger: NonNullable<Publication['ledger']>;
  readonly profile: NonNullable<Publication['profile']>;
}

/** What the world is told of. */
export interface WitnessEvents {
  /** A new grant of so much. */
  readonly onGrant: (requestId: string, hold: Held) => void;
  /**
   * A final settlement. `reach`: what account and key had for this request at that moment, its own hold included; null: the
   * store could not know.
   */
  readonly onFinal: (requestId: string, cost: bigint, reach: bigint | null) => void;
  /** A final settlement that was refused. */
  readonly onRefused: (requestId: string) => void;
  /** A charge that the store can't know to be the first one; unless it lapses, billing will be asked to book it. */
  readonly onUncertain: (requestId: string, lapses: boolean) => void;
}

/**
 * Stands beside the store and writes down what it was told and what it did, so that at any moment the truth about an
 * account, and what the store can know of it, can be told without asking the store.
 */
export class StoreWitness {
  #now = NO_REQUESTS();
  readonly #copies = new Map<object, Requests>();
  readonly #told = new Map<string, Partial<Told>>();
  /** Accounts that were read since the opening: only those are decided about. */
  readonly #read = new Set<string>();
  /** Requests that were granted at some time. */
  readonly granted = new Set<string>();
  /** Requests of which `final` took the place of `lost`. */
  readonly lateFinals = new Set<string>();
  /** Requests whose hold or charge was lost with a file, so that for a time nothing was set aside for them. */
  readonly forgotten = new Set<string>();
  /** Ids of usage events that were lost with a file: they may be made a second time, with another charge. */
  readonly mayBeMadeAgain = new Set<string>();

  constructor(
    private readonly database: Database,
    private readonly events: WitnessEvents,
  ) {}

  /** Credit of an account when everything that was settled has been applied, less what is held. */
  freeCredit(accountId: string): bigint {
    const { accounts, usage } = this.database.ledger;
    let credit = accounts.get(accountId)!.balance;
    for (const [requestId, settled] of this.#now.settled) {
      if (settled.accountId !== accountId || usage.has(`${requestId}:${settled.kind}`)) continue;
      if (settled.kind === 'lost' && usage.has(`${requestId}:final`)) continue;
      credit -= settled.cost - (usage.get(`${requestId}:lost`)?.cost ?? 0n);
    }
    for (const held of this.#now.held.values()) if (held.accountId === accountId) credit -= held.amount;
    return credit;
  }

  /** What the store can know to be available to an account and one of its keys; null if it can't know. */
  knownReach(accountId: string, keyId: string): bigint | null {
    const { ledger, profile } = this.#told.get(accountId) ?? {};
    if (ledger === undefined || profile === undefined || !this.#read.has(accountId)) return null;
    const available = ledger.balance - this.#taken((each) => each.accountId === accountId);
    const cap = profile.keys.find((key) => key.keyId === keyId)?.cap ?? null;
    if (cap === null) return available;
    const spent = ledger.spentByKey[keyId];
    if (spent === undefined) return null;
    const left = cap - spent - this.#taken((each) => each.keyId === keyId);
    return left < available ? left : available;
  }

  /** A copy of the store's file was made. */
  copied(copy: object): void {
    this.#copies.set(copy, copyOf(this.#now));
  }

  /** The store's process came back, on the file that it left. */
  reopened(): void {
    this.#read.clear();
  }

  /** Whether the store has settled a request, and its file has not been lost with that since. */
  hasFinal(requestId: string): boolean {
    return this.#now.settled.get(requestId)?.kind === 'final';
  }

  /** The store's file was lost, or is this copy of it. */
  fileReplaced(copy: object | undefined): Losses {
    this.reopened();
    this.#told.clear();
    const { usage } = this.database.ledger;
    const known = copy === undefined ? undefined : this.#copies.get(copy);
    const kept = known === undefined ? NO_REQUESTS() : copyOf(known);
    const finals = new Map<string, bigint>();
    const progress = [...this.#now.held.keys()];
    for (const requestId of progress) if (!kept.held.has(requestId)) this.forgotten.add(requestId);
    for (const [requestId, each] of this.#now.settled) {
      // The ledger remembers it, though the store does not: it is no longer pending.
      const inLedger = usage.has(`${requestId}:${each.kind}`);
      if (inLedger && !kept.settled.has(requestId)) kept.settled.set(requestId, { ...each, applied: true });
      if (inLedger || kept.settled.get(requestId)?.kind === each.kind) continue;
      this.forgotten.add(requestId);
      progress.push(requestId);
      if (each.kind === 'final') finals.set(requestId, each.cost);
    }
    for (const eventId of this.#now.events) if (!kept.events.has(eventId)) this.mayBeMadeAgain.add(eventId);
    this.#now = kept;
    return { finals, progress };
  }

  /** The store, watched. */
  watch(store: AdmissionStore): AdmissionStore {
    const watched: Partial<AdmissionStore> = {
      admit: async (admission) => {
        const result = await store.admit(admission);
        if (result.outcome === 'granted') this.#granted(result.hold.requestId, result.hold);
        return result;
      },
      renew: async (hold, deliveredTokens) => {
        const result = await store.renew(hold, deliveredTokens);
        if (result.outcome === 'renewed') this.#now.held.set(hold.requestId, hold);
        return result;
      },
      settle: async (settlement) => {
        const { kind, hold, booked } = settlement;
        const { requestId, accountId, keyId } = hold;
        const reach = booked === true ? null : this.#reachOf(requestId, accountId, keyId);
        const result = await store.settle(settlement);
        if (result.outcome === 'settled' && !result.repeated) {
          const { cost } = result.charge;
          if (kind === 'final') this.events.onFinal(requestId, cost, reach);
          this.#settledNow(requestId, { accountId, keyId, kind, cost, applied: false });
        }
        if (result.outcome === 'uncertain')
          this.events.onUncertain(requestId, settlement.lapsesAtMs !== undefined);
        if (result.outcome === 'refused' && kind === 'final') this.events.onRefused(requestId);
        return result;
      },
      void: async (requestId, accountId, giveBackRequest) => {
        await store.void(requestId, accountId, giveBackRequest);
        this.#now.held.delete(requestId);
      },
      publish: async (publications, readUnder) => {
        const taken = await store.publish(publications, readUnder);
        if (taken) for (const publication of publications) this.#tell(publication, readUnder !== null);
        return taken;
      },
    };
    return new Proxy(store, {
      get: (target, name: keyof AdmissionStore) => {
        const member: unknown = watched[name] ?? target[name];
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  }

  /** What holds and pending charges take. */
  #taken(counts: (each: { readonly accountId: string; readonly keyId: string }) => boolean): bigint {
    let taken = 0n;
    for (const held of this.#now.held.values()) if (counts(held)) taken += held.amount;
    for (const settled of this.#now.settled.values())
      if (counts(settled) && !settled.applied) taken += settled.cost;
    return taken;
  }

  #reachOf(requestId: string, accountId: string, keyId: string): bigint | null {
    const beyond = this.knownReach(accountId, keyId);
    const own = this.#now.held.get(requestId)?.amount ?? this.#now.settled.get(requestId)?.cost ?? 0n;
    return beyond === null ? null : beyond + own;
  }

  #tell({ accountId, ledger, profile, appliedEventIds }: Publication, read: boolean): void {
    const known = this.#told.get(accountId) ?? {};
    const told = { ...known };
    if (ledger !== null) {
      for (const [requestId, settled] of this.#now.settled)
        if (appliedEventIds.includes(`${requestId}:${settled.kind}`))
          this.#now.settled.set(requestId, { ...settled, applied: true });
      if (ledger.version > (known.ledger?.version ?? 0)) told.ledger = ledger;
      else if (ledger.version === known.ledger?.version)
        told.ledger = { ...known.ledger, spentByKey: { ...known.ledger.spentByKey, ...ledger.spentByKey } };
    }
    if (profile !== null && profile.version >= (known.profile?.version ?? 0)) told.profile = profile;
    this.#told.set(accountId, told);
    if (read) this.#read.add(accountId);
  }

  #granted(requestId: string, hold: Held): void {
    if (this.#now.held.has(requestId)) return;
    this.granted.add(requestId);
    this.#now.held.set(requestId, hold);
    this.events.onGrant(requestId, hold);
  }

  #settledNow(requestId: string, settled: Settled): void {
    if (settled.kind === 'final' && this.#now.settled.get(requestId)?.kind === 'lost')
      this.lateFinals.add(requestId);
    this.#now.settled.set(requestId, settled);
    this.#now.events.add(`${requestId}:${settled.kind}`);
    this.#now.held.delete(requestId);
  }
}
