import { EventEmitter } from 'node:events';
import type { Clock } from '@tunan/kernel';
import type { ClientView } from './request-plan.js';

const TOKENS = /"tokens":(\d+)/g;
const COST = /"cost":(\d+)\.(\d+)/;

/** Amount of a decimal figure in dollars, in nano-dollars. */
const nanoOf = (whole: string, fraction: string): bigint =>
  BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));

/**
 * A client and its connection, as the server's side of it: the members of `ServerResponse` that answers use.
 * Keeps what the client has seen; what is written after the client left, it never sees.
 */
export class ClientConnection extends EventEmitter {
  readonly view: ClientView = { status: 0, delivered: 0, complete: false, leftAtMs: null, cost: undefined };
  /** Its request, which has arrived in full. */
  readonly req = { complete: true, headers: {} };
  headersSent = false;
  destroyed = false;
  writableEnded = false;
  writableFinished = false;

  constructor(
    private readonly clock: Clock,
    private readonly stream: boolean,
  ) {
    super();
  }

  writeHead(status: number): this {
    this.headersSent = true;
    if (!this.destroyed) this.view.status = status;
    return this;
  }

  write(bytes: Buffer | string): boolean {
    if (!this.destroyed) this.#see(bytes.toString());
    return true;
  }

  end(bytes?: Buffer | string): this {
    if (bytes !== undefined) this.write(bytes);
    this.writableEnded = true;
    if (this.destroyed) return this;
    this.writableFinished = true;
    if (!this.stream && this.view.status === 200) this.view.complete = true;
    this.emit('close');
    return this;
  }

  /** The connection breaks, by the will of the client or because it lost its patience. */
  destroy(): this {
    if (this.destroyed || this.writableFinished) return this;
    this.destroyed = true;
    this.view.leftAtMs = this.clock.nowMs();
    this.emit('close');
    return this;
  }

  /** The server's process died: nothing more comes. */
  cut(): void {
    this.removeAllListeners();
    this.destroyed = true;
  }

  #see(text: string): void {
    for (const [, tokens] of text.matchAll(TOKENS)) this.view.delivered += Number(tokens);
    const cost = COST.exec(text);
    if (cost !== null) this.view.cost = nanoOf(cost[1]!, cost[2]!);
    if (text.includes('data: [DONE]')) this.view.complete = true;
  }
}
