import type { AuthPort, Principal } from '@tunan/contracts';
import { apiKeyDigest, Fault, type Clock } from '@tunan/kernel';
import { invalidApiKey } from './domain/bearer-token.js';
import { RecentMap } from './recent-map.js';

interface Known {
  readonly principal: Principal;
  readonly readAtMs: number;
}

/** A known principal is read again in the background after this time; its key's status is decided at admission. */
const REFRESH_AFTER_MS = 60_000;
/** After this time without use it is read again first: a change of what the key may do is then in force. */
const STALE_AFTER_MS = 90_000;
/** A key that does not exist is asked for again after this time. */
const UNKNOWN_FOR_MS = 30_000;
/** Look-ups under way; further ones fail at once. */
const LOOKUPS_MAX = 256;
/** Keys from addresses where too many authentications failed are looked up together, so many at a time and so often. */
const SUSPECTS_MAX = 32;
const SUSPECTS_INTERVAL_MS = 100;
const RETRY_AFTER_MS = 1_000;

/**
 * Principals by key. What was known once never turns into an error because `auth` is away: only admission, which is
 * atomic and current, may refuse a known key. Keys that nobody has are remembered apart, so that inventing them makes
 * nobody's be forgotten.
 */
export class Principals {
  /** In order of the last look-up, like {@link #unknown}. */
  readonly #known: RecentMap<Known>;
  /** Digest → when it was looked up. */
  readonly #unknown: RecentMap<number>;
  /** What begins the look-ups of suspects that wait. */
  #suspects: (() => void)[] = [];
  readonly #reading = new Map<string, Promise<Principal | null>>();

  /** @param entriesMax most keys that are remembered, known and unknown ones each */
  constructor(
    private readonly auth: AuthPort,
    private readonly clock: Clock,
    entriesMax: number,
  ) {
    this.#known = new RecentMap(entriesMax);
    this.#unknown = new RecentMap(entriesMax);
  }

  /**
   * The principal of a key: at once if it is known, else a promise.
   * @param isSuspect whether the client's address has failed too often; asked only if the key has to be looked up.
   * Such look-ups wait up to 100 ms for each other in a short queue of their own: whoever invents keys costs
   * little and can't keep those of others from being looked up, and a key that works gets through from anywhere.
   * @throws Fault `invalid_api_key` if there is none; `service_unavailable` if that can't be told now; `overloaded`, or
   * for suspects `rate_limit_exceeded`, if too many others are being looked up
   */
  find(key: string, isSuspect: () => boolean): Principal | Promise<Principal> {
    const digest = apiKeyDigest(key);
    const nowMs = this.clock.monotonicMs();
    const known = this.#known.get(digest);
    if (known !== undefined) {
      const { principal, readAtMs } = known;
      if (nowMs - readAtMs <= REFRESH_AFTER_MS) return principal;
      const refreshed = this.#read(digest).catch(() => this.#keepKnown(digest, principal));
      return nowMs - readAtMs <= STALE_AFTER_MS ? principal : refreshed.then(orInvalid);
    }
    const unknownAtMs = this.#unknown.get(digest);
    if (unknownAtMs !== undefined && nowMs - unknownAtMs < UNKNOWN_FOR_MS) throw invalidApiKey();
    return (this.#reading.get(digest) ?? this.#look(digest, isSuspect())).then(orInvalid);
  }

  /** Forgets a key that was found revoked. */
  forget(key: string): void {
    this.#known.delete(apiKeyDigest(key));
  }

  /** Reads a key that is not known, if its lane is free. */
  #look(digest: string, suspect: boolean): Promise<Principal | null> {
    if (this.#reading.size >= LOOKUPS_MAX) throw busy();
    if (!suspect) return this.#read(digest);
    if (this.#suspects.length >= SUSPECTS_MAX) throw tooManyFailed();
    return new Promise((resolve) => {
      if (this.#suspects.length === 0) this.clock.after(SUSPECTS_INTERVAL_MS, () => this.#lookSuspectsUp());
      this.#suspects.push(() => resolve(this.#read(digest)));
    });
  }

  #lookSuspectsUp(): void {
    const suspects = this.#suspects;
    this.#suspects = [];
    for (const begin of suspects) begin();
  }

  #read(digest: string): Promise<Principal | null> {
    const running = this.#reading.get(digest);
    if (running !== undefined) return running;
    const reading = this.auth
      .identify({ keyDigest: digest })
      .then(({ principal }) => {
        this.#remember(digest, principal);
        return principal;
      })
      .finally(() => this.#reading.delete(digest));
    this.#reading.set(digest, reading);
    return reading;
  }

  /** A refresh that fails leaves what is known in force; the next requests do not wait for another. */
  #keepKnown(digest: string, principal: Principal): Principal {
    const readAtMs = this.clock.monotonicMs() - REFRESH_AFTER_MS;
    if (this.#known.get(digest) !== undefined) this.#known.put(digest, { principal, readAtMs });
    return principal;
  }

  #remember(digest: string, principal: Principal | null): void {
    const readAtMs = this.clock.monotonicMs();
    if (principal === null) {
      this.#known.delete(digest);
      this.#unknown.put(digest, readAtMs);
    } else {
      this.#unknown.delete(digest);
      this.#known.put(digest, { principal, readAtMs });
    }
  }
}

const orInvalid = (principal: Principal | null): Principal => {
  if (principal === null) throw invalidApiKey();
  return principal;
};

const busy = (): Fault =>
  new Fault('overloaded', 'The server is overloaded. Please retry.', {
    retryAfterMs: RETRY_AFTER_MS,
    internal: 'too many key look-ups under way',
  });

const tooManyFailed = (): Fault =>
  new Fault('rate_limit_exceeded', 'Rate limit reached: too many failed authentications per minute.', {
    retryAfterMs: RETRY_AFTER_MS,
  });
