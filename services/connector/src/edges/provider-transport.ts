import { Pool, type Dispatcher } from 'undici';
import type { Clock } from '@tunan/kernel';
import { providerFault } from '../domain/vendor-error.js';

/** Where a provider is reached, and with what. */
export interface Endpoint {
  /** Without a trailing slash; its path precedes every path of the API. */
  readonly baseUrl: string;
  /** Undefined sends none. */
  readonly apiKey: string | undefined;
}

/** Bounds of one provider's connections. */
export interface TransportOptions {
  /** Connections, which are also the calls under way: HTTP/1.1 without pipelining. */
  readonly connectionsMax: number;
  readonly connectTimeoutMs: number;
}

/** Below the idle timeouts of the load balancers in front of the providers, of which 60 s is the usual one. */
const KEEP_ALIVE_MS = 30_000;
const HEADER_BYTES_MAX = 32 * 1024;
/** A call that meets a full pool is worth trying elsewhere at once, and here a moment later. */
const FULL_RETRY_MS = 1_000;

/**
 * The way to one provider: one pool of connections, one set of headers made once. It knows no dialect.
 *
 * HTTP/1.1 only: a connection that breaks takes one answer with it instead of a hundred, and one lost packet does not
 * hold up the others.
 */
export class ProviderTransport {
  readonly #pool: Pool;
  readonly #basePath: string;
  readonly #unaryHeaders: readonly string[];
  readonly #streamHeaders: readonly string[];
  #calls = 0;

  constructor(
    readonly provider: string,
    endpoint: Endpoint,
    private readonly options: TransportOptions,
  ) {
    const url = new URL(endpoint.baseUrl);
    this.#basePath = url.pathname.replace(/\/+$/, '');
    this.#pool = new Pool(url.origin, {
      connections: options.connectionsMax,
      pipelining: 1,
      allowH2: false,
      connectTimeout: options.connectTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      // Each call has its own limits.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const common = [
      'content-type',
      'application/json',
      ...(endpoint.apiKey === undefined ? [] : ['authorization', `Bearer ${endpoint.apiKey}`]),
      // Nothing to inflate: no delay in streams, no bombs.
      'accept-encoding',
      'identity',
      'user-agent',
      'tunan',
    ];
    this.#unaryHeaders = [...common, 'accept', 'application/json'];
    this.#streamHeaders = [...common, 'accept', 'text/event-stream'];
  }

  /** Calls under way, those that wait for a connection included. */
  get calls(): number {
    return this.#calls;
  }

  /**
   * Sends a POST. `handler` must call {@link release} when its call is over.
   * @param requestId told to the provider, so that its support can find a call of ours; it says nothing of the customer
   * @throws Fault `connections_taken` if every connection is taken
   */
  dispatch(
    path: string,
    body: Buffer,
    stream: boolean,
    requestId: string,
    handler: Dispatcher.DispatchHandler,
  ): void {
    if (this.#calls >= this.options.connectionsMax)
      throw providerFault('connections_taken', `${this.provider}: all ${this.#calls} connections are taken`, {
        retryAfterMs: FULL_RETRY_MS,
      });
    this.#calls += 1;
    const headers = [
      ...(stream ? this.#streamHeaders : this.#unaryHeaders),
      'x-client-request-id',
      requestId,
    ];
    this.#pool.dispatch({ path: this.#basePath + path, method: 'POST', headers, body }, handler);
  }

  /** A call is over: its connection is free, or gone. */
  release(): void {
    this.#calls -= 1;
  }

  /** Resolves when no call is under way, at the latest after `timeoutMs`. */
  async idle(clock: Clock, timeoutMs: number): Promise<void> {
    const endMs = clock.monotonicMs() + timeoutMs;
    while (this.#calls > 0 && clock.monotonicMs() < endMs)
      await clock.sleep(Math.min(50, endMs - clock.monotonicMs()));
  }

  /** Closes every connection, cutting what is under way. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}
