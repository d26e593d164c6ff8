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

/** Keys whose look-up may be under way or waited for; further ones fail at once. */
const LOOKUPS_MAX = 256;
/** Queries under way: however many unknown keys there are, most of the pool's connections are left to everybody else. */
const QUERIES_MAX = 2;
const KEYS_PER_QUERY_MAX = 128;

interface Waiting {
  readonly digest: string;
  readonly resolve: (principal: Principal | null) => void;
  readonly reject: (error: unknown) => void;
}

interface Remembered {
  readonly principal: Principal;
  readonly freshUntilMs: number;
}

/**
 * Whose key is it? Remembers answers for a while. A remembered principal may be out of date: whether a key may be
 * used now is decided again at admission, from the account's hot state. So while Postgres is away a known key stays
 * known, and an unknown one is a Fault, never "no such key". Keys that come while others are looked up share a query.
 */
export class KeyDirectory {
  /** In order of the last look-up. */
  readonly #known = new Map<string, Remembered>();
  /** Digest → end of its time. */
  readonly #unknown = new Map<string, number>();
  readonly #lookups = new Map<string, Promise<Principal | null>>();
  readonly #waiting: Waiting[] = [];
  #queries = 0;

  constructor(
    private readonly lookup: KeyLookup,
    private readonly peppers: readonly KeyPepper[],
    private readonly clock: Clock,
    private readonly options: KeyDirectoryOptions,
  ) {}

  /**
   * @param digest SHA-256 of the key, hex
   * @returns null if there is no such key, or it is revoked or expired
   * @throws Fault `service_unavailable`; `overloaded` if too many keys are being looked up
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
    const running = this.#lookups.get(digest);
    if (running !== undefined) return running;
    if (this.#lookups.size >= LOOKUPS_MAX) throw busy();
    const looking = new Promise<Principal | null>((resolve, reject) => {
      this.#waiting.push({ digest, resolve, reject });
    });
    this.#lookups.set(digest, looking);
    // Those that come in the same turn come along.
    queueMicrotask(() => this.#queryNext());
    return looking;
  }

  #queryNext(): void {
    if (this.#queries >= QUERIES_MAX || this.#waiting.length === 0) return;
    void this.#query(this.#waiting.splice(0, KEYS_PER_QUERY_MAX));
  }

  async #query(batch: readonly Waiting[]): Promise<void> {
    this.#queries += 1;
    try {
      const hmacs = batch.map(({ digest }) => this.peppers.map((pepper) => keyHmac(pepper, digest)));
      const principals = await this.lookup.find(hmacs);
      batch.forEach(({ digest, resolve }, index) => resolve(this.#remember(digest, principals[index]!)));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      for (const { digest } of batch) this.#lookups.delete(digest);
      this.#queries -= 1;
      this.#queryNext();
    }
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
