import type { BlockList } from 'node:net';
import { Fault } from '@tunan/kernel';
import { clientNetwork, isListed, plainAddress } from './client-network.js';

/** Connections that may be open at once. */
export interface ConnectionBounds {
  readonly max: number;
  /** From one IPv4 address or IPv6 /64; trusted proxies have no such bound. */
  readonly perAddressMax: number;
}

const RETRY_AFTER_MS = 1_000;

/** Counts the open connections of a listener, and says which of them are too many. */
export class ConnectionLimit {
  #open = 0;
  readonly #byClient = new Map<string, number>();
  #proxies: BlockList | undefined;

  constructor(private readonly bounds: ConnectionBounds) {}

  /** Connections that were taken and have not ended. */
  get open(): number {
    return this.#open;
  }

  /** Names the peers that many clients come through. */
  trust(proxies: BlockList): void {
    this.#proxies = proxies;
  }

  /**
   * Takes a connection on, and returns what has to be called once when it has ended.
   * @param peer address of the other end
   * @throws Fault `overloaded`, or `rate_limit_exceeded` if it is the peer's own connections that are too many
   */
  enter(peer: string): () => void {
    const { max, perAddressMax } = this.bounds;
    if (this.#open >= max)
      throw new Fault('overloaded', 'The server is overloaded. Please retry.', {
        internal: `${max} connections are open`,
        retryAfterMs: RETRY_AFTER_MS,
      });
    const address = plainAddress(peer);
    const client =
      this.#proxies !== undefined && isListed(address, this.#proxies) ? undefined : clientNetwork(address);
    if (client !== undefined) {
      const own = this.#byClient.get(client) ?? 0;
      if (own >= perAddressMax)
        throw new Fault('rate_limit_exceeded', 'Rate limit reached: too many open connections.', {
          retryAfterMs: RETRY_AFTER_MS,
        });
      this.#byClient.set(client, own + 1);
    }
    this.#open += 1;
    return () => this.#leave(client);
  }

  #leave(client: string | undefined): void {
    this.#open -= 1;
    if (client === undefined) return;
    const own = this.#byClient.get(client)! - 1;
    if (own === 0) this.#byClient.delete(client);
    else this.#byClient.set(client, own);
  }
}
