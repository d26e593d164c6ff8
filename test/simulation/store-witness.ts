import type { AdmissionStore } from '@tunan/auth/testing';
import type { Database } from './database.js';

/** A settlement that the store has done. */
interface Settled {
  readonly accountId: string;
  readonly kind: 'final' | 'lost';
  readonly cost: bigint;
}

/** Credit that the store has set aside. */
interface Held {
  readonly accountId: string;
  readonly amount: bigint;
}

/** What the store has done with requests, by their ids. */
interface Account {
  readonly settled: Map<string, Settled>;
  readonly held: Map<string, Held>;
}

const copyOf = ({ settled, held }: Account): Account => ({ settled: new Map(settled), held: new Map(held) });

/**
 * Stands beside the store and writes down what it did, so that at any moment the truth about an account can be
 * told without asking the store.
 */
export class StoreWitness {
  #now: Account = { settled: new Map(), held: new Map() };
  readonly #copies = new Map<object, Account>();
  /** Requests that were granted at some time. */
  readonly granted = new Set<string>();
  /** Requests of which `final` took the place of `lost`. */
  readonly lateFinals = new Set<string>();

  constructor(
    private readonly database: Database,
    /** Told of every new grant. */
    private readonly onGrant: (accountId: string) => void,
    /** Told of every final settlement that costs something. */
    private readonly onCharge: (requestId: string) => void,
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

  /** A copy of the store's file was made. */
  copied(copy: object): void {
    this.#copies.set(copy, copyOf(this.#now));
  }

  /**
   * The store's file was lost, or is this copy of it.
   * @returns requests whose settlement nobody knows any more
   */
  fileReplaced(copy: object | undefined): readonly string[] {
    const known = copy === undefined ? undefined : this.#copies.get(copy);
    const kept =
      known === undefined ? { settled: new Map<string, Settled>(), held: new Map() } : copyOf(known);
    const forgotten: string[] = [];
    for (const [requestId, each] of this.#now.settled) {
      if (this.database.ledger.usage.has(`${requestId}:${each.kind}`)) kept.settled.set(requestId, each);
      else if (kept.settled.get(requestId)?.kind !== each.kind) forgotten.push(requestId);
    }
    this.#now = kept;
    return forgotten;
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
        const result = await store.settle(settlement);
        if (result.outcome === 'settled' && !result.repeated)
          this.#settledNow(settlement.hold.requestId, {
            accountId: settlement.hold.accountId,
            kind: settlement.kind,
            cost: result.charge.cost,
          });
        return result;
      },
      void: async (requestId, accountId, giveBackRequest) => {
        await store.void(requestId, accountId, giveBackRequest);
        this.#now.held.delete(requestId);
      },
    };
    return new Proxy(store, {
      get: (target, name: keyof AdmissionStore) => {
        const member: unknown = watched[name] ?? target[name];
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  }

  #granted(requestId: string, hold: Held): void {
    if (this.#now.held.has(requestId)) return;
    this.granted.add(requestId);
    this.#now.held.set(requestId, hold);
    this.onGrant(hold.accountId);
  }

  #settledNow(requestId: string, settled: Settled): void {
    if (settled.kind === 'final' && this.#now.settled.get(requestId)?.kind === 'lost')
      this.lateFinals.add(requestId);
    if (settled.kind === 'final' && settled.cost > 0n) this.onCharge(requestId);
    this.#now.settled.set(requestId, settled);
    this.#now.held.delete(requestId);
  }
}
