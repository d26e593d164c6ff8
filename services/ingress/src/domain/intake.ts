import { Fault } from '@tunan/kernel';

/** What requests may occupy of this process at once. */
export interface IntakeLimits {
  /** Requests from their key's recognition to their answer's end. */
  readonly requestsMax: number;
  /** Bytes of their bodies. */
  readonly bodyBytesMax: number;
  /** Bytes of the largest body: an account may always send one. */
  readonly bodyBytesOne: number;
  /** 99th percentile of the event loop's delay, in milliseconds, above which the process is overloaded. */
  readonly loopDelayMsMax: number;
}

/** Whose request it is. */
export interface IntakeParty {
  readonly accountId: string;
  readonly tier: 'free' | 'paid';
  /** Concurrent requests of the account, if it has a limit of its own instead of its tier's. */
  readonly concurrency?: number | undefined;
}

/** What is occupied, by everybody or by one account. */
interface Occupied {
  requests: number;
  bytes: number;
}

interface Account extends Occupied {
  /** Requests whose body has not arrived. */
  uploads: number;
}

/** Paid requests go on where free ones are refused: the last fifth of every limit is theirs. */
const FREE_SHARE = 0.8;
/** No account takes more than this of the process, so that none keeps the others out. */
const ACCOUNT_SHARE = 0.25;
/**
 * Nor does an account have many more requests on the way than it may have at once: what has not arrived is not judged, by
 * no other limit, and a few accounts would keep all others out with uploads that never end.
 */
const UPLOADS_PER_CONCURRENCY = 4;
const UPLOADS_MIN = 8;
/** With fewer requests than this, and less than a quarter of the bytes, a late event loop has another cause. */
const BUSY_REQUESTS_MIN = 128;
const BUSY_BYTES_SHARE = 0.25;
const RETRY_AFTER_MS = 1_000;

const overloaded = (internal: string): Fault =>
  new Fault('overloaded', 'The server is overloaded. Please retry.', {
    retryAfterMs: RETRY_AFTER_MS,
    internal,
  });

const ownShare = (what: string): Fault =>
  new Fault('rate_limit_exceeded', `Rate limit reached: too many ${what} at the same time.`, {
    retryAfterMs: RETRY_AFTER_MS,
  });

/**
 * Decides which requests are taken on, before their bodies are read. Bytes count as they arrive and not as they are
 * announced: announcing costs a client nothing, and would keep others out.
 */
export class Intake {
  readonly #all: Occupied = { requests: 0, bytes: 0 };
  readonly #byAccount = new Map<string, Account>();
  readonly #accountRequestsMax: number;
  readonly #accountBytesMax: number;

  /**
   * @param loopDelayMs the event loop's delay at present, 99th percentile in milliseconds
   * @param tierConcurrency concurrent requests of an account of a tier
   */
  constructor(
    private readonly limits: IntakeLimits,
    private readonly loopDelayMs: () => number,
    private readonly tierConcurrency: (tier: IntakeParty['tier']) => number,
  ) {
    this.#accountRequestsMax = Math.max(1, limits.requestsMax * ACCOUNT_SHARE);
    this.#accountBytesMax = Math.max(limits.bodyBytesOne, limits.bodyBytesMax * ACCOUNT_SHARE);
  }

  /** What all requests that were taken on occupy at present. */
  get occupied(): Readonly<Occupied> {
    return this.#all;
  }

  /**
   * Takes a request on. Its place must be left when its answer has ended.
   * @throws Fault `overloaded`; `rate_limit_exceeded` if it is the account's own requests that fill its share
   */
  enter({ accountId, tier, concurrency = this.tierConcurrency(tier) }: IntakeParty): Place {
    const share = tier === 'free' ? FREE_SHARE : 1;
    const { requestsMax, bodyBytesMax, loopDelayMsMax } = this.limits;
    if (this.#isBusy() && this.loopDelayMs() > loopDelayMsMax * share)
      throw overloaded('the event loop is late');
    if (this.#all.requests >= requestsMax * share) throw overloaded('too many requests in flight');
    if (this.#all.bytes >= bodyBytesMax * share) throw overloaded('too many body bytes in flight');
    const own = this.#byAccount.get(accountId) ?? { requests: 0, bytes: 0, uploads: 0 };
    if (own.requests >= this.#accountRequestsMax) throw ownShare('requests');
    if (own.uploads >= Math.max(UPLOADS_MIN, concurrency * UPLOADS_PER_CONCURRENCY))
      throw ownShare('uploads');
    this.#byAccount.set(accountId, own);
    this.#all.requests += 1;
    own.requests += 1;
    own.uploads += 1;
    let held = 0;
    let uploading = true;
    const arrived = (): void => {
      if (uploading) own.uploads -= 1;
      uploading = false;
    };
    return {
      take: (bytes) => {
        if (this.#all.bytes + bytes > bodyBytesMax * share) throw overloaded('too many body bytes in flight');
        if (own.bytes + bytes > this.#accountBytesMax) throw ownShare('large requests');
        this.#all.bytes += bytes;
        own.bytes += bytes;
        held += bytes;
      },
      arrived,
      leave: () => {
        arrived();
        this.#all.requests -= 1;
        this.#all.bytes -= held;
        own.requests -= 1;
        own.bytes -= held;
        if (own.requests === 0) this.#byAccount.delete(accountId);
      },
    };
  }

  /** Whether refusing requests would help: a machine that is busy with something else is late as well. */
  #isBusy(): boolean {
    const { requestsMax, bodyBytesMax } = this.limits;
    return (
      this.#all.requests >= Math.min(BUSY_REQUESTS_MIN, requestsMax / 2) ||
      this.#all.bytes >= bodyBytesMax * BUSY_BYTES_SHARE
    );
  }
}

/** The place of a request that was taken on. */
export interface Place {
  /**
   * Counts bytes of its body that have arrived.
   * @throws Fault `overloaded` or `rate_limit_exceeded` if they are too many; they are not counted then
   */
  readonly take: (bytes: number) => void;
  /** Says that the whole body has arrived. */
  readonly arrived: () => void;
  /** Gives everything back. Once. */
  readonly leave: () => void;
}
