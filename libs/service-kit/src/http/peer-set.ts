import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { SystemClock, timeOut } from '@tunan/kernel';
import { Pool, type Dispatcher } from 'undici';

/** One replica of a service. */
export interface Peer {
  readonly origin: string;
  readonly pool: Pool;
  inFlight: number;
}

/** How often the addresses behind a name are read again. */
const RESOLVE_INTERVAL_MS = 10_000;
const CONNECT_TIMEOUT_MS = 1_000;
const CLOCK = new SystemClock();

/**
 * The replicas behind one base URL. A name (a headless Service) is resolved to its addresses and each request goes
 * to the least loaded one; connections are kept.
 */
export class PeerSet {
  #peers: Peer[] = [];
  #timer: NodeJS.Timeout | undefined;
  readonly #url: URL;
  #resolving: Promise<void> | undefined;

  constructor(
    readonly baseUrl: string,
    private readonly connections: number,
  ) {
    this.#url = new URL(baseUrl);
  }

  /**
   * The least loaded replica.
   * @throws Error if the name has no address
   */
  async pick(): Promise<Peer> {
    if (this.#peers.length === 0) await this.#resolve();
    let best: Peer | undefined;
    for (const peer of this.#peers) if (best === undefined || peer.inFlight < best.inFlight) best = peer;
    if (best === undefined) throw new Error(`no address behind ${this.baseUrl}`);
    return best;
  }

  /**
   * Posts a JSON body and returns the answer's text.
   * @throws Error on anything but 200, and if the answer takes longer than `timeoutMs` (as {@link timeOut} has it)
   */
  async request(
    path: string,
    token: string,
    body: string,
    timeoutMs: number,
    bytesMax: number,
  ): Promise<string> {
    const peer = await this.pick();
    const late = new AbortController();
    const cancel = timeOut(CLOCK, timeoutMs, () => late.abort(new Error(`no answer in ${timeoutMs} ms`)));
    peer.inFlight += 1;
    try {
      const answer = await peer.pool.request({
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body,
        signal: late.signal,
      });
      const text = await readText(answer.body, bytesMax);
      if (answer.statusCode !== 200) throw new Error(`${this.baseUrl}${path} answered ${answer.statusCode}`);
      return text;
    } finally {
      cancel();
      peer.inFlight -= 1;
    }
  }

  /** Closes idle connections and aborts the rest. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#peers.map((peer) => peer.pool.destroy()));
    this.#peers = [];
  }

  #resolve(): Promise<void> {
    this.#resolving ??= this.#readAddresses().finally(() => {
      this.#resolving = undefined;
    });
    return this.#resolving;
  }

  async #readAddresses(): Promise<void> {
    const { hostname } = this.#url;
    const bare = hostname.replace(/^\[|\]$/g, '');
    if (isIP(bare) !== 0) {
      this.#assign([bare]);
      return;
    }
    this.#assign((await lookup(hostname, { all: true })).map((entry) => entry.address));
    this.#timer ??= setInterval(
      () => void this.#resolve().catch(() => undefined),
      RESOLVE_INTERVAL_MS,
    ).unref();
  }

  /** Takes over the addresses. A replica that left keeps its connections until its last request has ended. */
  #assign(addresses: readonly string[]): void {
    const port = this.#url.port === '' ? '' : `:${this.#url.port}`;
    const origins = addresses.map(
      (address) => `${this.#url.protocol}//${address.includes(':') ? `[${address}]` : address}${port}`,
    );
    for (const peer of this.#peers)
      if (!origins.includes(peer.origin)) void peer.pool.close().catch(() => undefined);
    this.#peers = origins.map(
      (origin) => this.#peers.find((peer) => peer.origin === origin) ?? this.#connect(origin),
    );
  }

  #connect(origin: string): Peer {
    const pool = new Pool(origin, {
      connections: this.connections,
      pipelining: 1,
      allowH2: false,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      keepAliveTimeout: 30_000,
    });
    return { origin, pool, inFlight: 0 };
  }
}

const readText = async (body: Dispatcher.ResponseData['body'], bytesMax: number): Promise<string> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`answer larger than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};
