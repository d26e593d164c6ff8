import type { AuthPort } from '@tunan/contracts';
import { type Principal } from '@tunan/contracts';
import { apiKeyDigest, type Clock } from '@tunan/kernel';
import { invalidApiKey } from './domain/bearer-token.js';

interface Known {
  readonly principal: Principal | null;
  readonly readAtMs: number;
}

/** A known principal is read again in the background after this time; its key's status is decided at admission. */
const REFRESH_AFTER_MS = 60_000;
/** After this time without use it is read again first: a change of what the key may do is then in force. */
const STALE_AFTER_MS = 90_000;
/** A key that does not exist is asked for again after this time. */
const UNKNOWN_FOR_MS = 30_000;

/**
 * Principals by key. What was known once never turns into an error because `auth` is away: only admission, which is
 * atomic and current, may refuse a known key.
 */
export class Principals {
  readonly #known = new Map<string, Known>();
  readonly #reading = new Map<string, Promise<Principal | null>>();

  constructor(
    private readonly auth: AuthPort,
    private readonly clock: Clock,
    private readonly entriesMax: number,
  ) {}

  /**
   * The principal of a key: at once if it is known, else a promise.
   * @throws Fault `invalid_api_key` if there is none; `service_unavailable` if that can't be told now
   */
  find(key: string): Principal | Promise<Principal> {
    const digest = apiKeyDigest(key);
    const known = this.#known.get(digest);
    const ageMs = known === undefined ? Infinity : this.clock.monotonicMs() - known.readAtMs;
    if (known?.principal != null) {
      const { principal } = known;
      if (ageMs <= REFRESH_AFTER_MS) return principal;
      const refreshed = this.#read(digest).catch(() => this.#keep(digest, principal));
      return ageMs <= STALE_AFTER_MS ? principal : refreshed.then(orInvalid);
    }
    if (known !== undefined && ageMs < UNKNOWN_FOR_MS) throw invalidApiKey();
    return this.#read(digest).then(orInvalid);
  }

  /** Forgets a key that admission found revoked. */
  forget(key: string): void {
    this.#known.delete(apiKeyDigest(key));
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
  #keep(digest: string, principal: Principal): Principal {
    const readAtMs = this.clock.monotonicMs() - REFRESH_AFTER_MS;
    if (this.#known.has(digest)) this.#known.set(digest, { principal, readAtMs });
    return principal;
  }

  #remember(digest: string, principal: Principal | null): void {
    this.#known.delete(digest);
    this.#known.set(digest, { principal, readAtMs: this.clock.monotonicMs() });
    // Maps keep insertion order: the first entry is the one that was read longest ago.
    if (this.#known.size > this.entriesMax) this.#known.delete(this.#known.keys().next().value!);
  }
}

const orInvalid = (principal: Principal | null): Principal => {
  if (principal === null) throw invalidApiKey();
  return principal;
};
