import type { Principal } from '@tunan/contracts';
import { Fault, keyHmac, type Clock, type KeyPepper } from '@tunan/kernel';
import type { KeyLookup } from './ports/key-lookup.js';

/** Bounds of a {@link KeyDirectory}. */
export interface KeyDirectoryOptions {
  /** Most keys that are remembered, known and unknown ones each. */
  readonly cacheMax: number;
  /** For how long a known key is not looked up again. */
  readonly hitMs: number;
  /** For how long an unknown one is not. */
  readonly missMs: number;
}

/** Look-ups that may be under way; further ones fail at once. */
const LOOKUPS_MAX = 256;

interface Remembered {
  readonly principal: Principal;
  readonly freshUntilMs: number;
}

/**
 * Whose key is it? Remembers answers for a while. A remembered principal may be out of date: whether a key may be
 * used now is decided again at admission, from the account's hot state. So while Postgres is away a known key stays
 * known, and an unknown one is a Fault, never "no such key".
 */
export class KeyDirectory {
  /** In order of the last look-up. */
  readonly #known = new Map<string, Remembered>();
  /** Digest → end of its time. */
  readonly #unknown = new Map<string, number>();
  readonly #lookups = new Map<string, Promise<Principal | null>>();

  constructor(
    private readonly lookup: KeyLookup,
    private readonly peppers: readonly KeyPepper[],
    private readonly clock: Clock,
    private readonly options: KeyDirectoryOptions,
  ) {}

  /**
   * @param digest SHA-256 of the key, hex
   * @returns null if there is no such key, or it is revoked or expired
   * @throws Fault `service_unavailable`
   */
  async identify(digest: string): Promise<Principal | null> {
    const nowMs = this.clock.monotonicMs();
    const known = this.#known.get(digest);
    if (known !== undefined && known.freshUntilMs > nowMs) return known.principal;
    const unknownUntilMs = this.#unknown.get(digest);
    if (unknownUntilMs !== undefined && unknownUntilMs > nowMs) return null;
    try {
      return await this.#look(digest);
    } catch (error) {
      if (known === undefined) throw error;
      return known.principal;
    }
  }

  #look(digest: string): Promise<Principal | null> {
    let looking = this.#lookups.get(digest);
    if (looking === undefined) {
      if (this.#lookups.size >= LOOKUPS_MAX) throw busy();
      looking = this.lookup
        .find(this.peppers.map((pepper) => keyHmac(pepper, digest)))
        .then((principal) => this.#remember(digest, principal))
        .finally(() => this.#lookups.delete(digest));
      this.#lookups.set(digest, looking);
    }
    return looking;
  }

  #remember(digest: string, principal: Principal | null): Principal | null {
    const { hitMs, missMs } = this.options;
    const nowMs = this.clock.monotonicMs();
    this.#known.delete(digest);
    this.#unknown.delete(digest);
    if (principal === null) this.#keep(this.#unknown, digest, nowMs + missMs);
    else this.#keep(this.#known, digest, { principal, freshUntilMs: nowMs + hitMs });
    return principal;
  }

  #keep<T>(cache: Map<string, T>, digest: string, value: T): void {
    cache.set(digest, value);
    if (cache.size <= this.options.cacheMax) return;
    const [oldest] = cache.keys();
    cache.delete(oldest!);
  }
}

const busy = (): Fault =>
  new Fault('overloaded', 'The service is busy. Please retry.', {
    internal: `${LOOKUPS_MAX} key look-ups are under way`,
    retryAfterMs: 1_000,
  });
