import type { ServerResponse } from 'node:http';
import { REPLAY_BYTES_MAX, type ExchangeReply, type Served } from '@tunan/contracts';
import { Fault, type Clock } from '@tunan/kernel';
import { sendFault } from '@tunan/service-kit';
import { wasWorkedFor } from '../domain/upstream-work.js';
import { withCost } from '../domain/usage-json.js';
import { beforeError } from './before-error.js';
import type { IdempotencyMark } from './idempotency.js';
import { NOWHERE, type OpenExchange } from './open-exchanges.js';
import type { Ending, Settlement } from './settlement.js';

/** What a unary answer needs from its surroundings. */
export interface UnaryAnswerOptions {
  readonly response: ServerResponse;
  readonly clock: Clock;
  readonly settlement: Settlement;
  readonly headers: (served: Served | null) => Record<string, string>;
  /** Set if the client may ask for the same answer again. */
  readonly mark: IdempotencyMark | undefined;
  readonly abort: () => void;
  readonly closed: () => void;
}

const NO_PIECES: readonly Buffer[] = [];

const bytesOf = (head: readonly Buffer[], body: Buffer): number =>
  head.reduce((sum, piece) => sum + piece.length, body.length);

/** The answer as it may be kept for a replay; undefined, and not put together, if it is too large for that. */
const kept = (head: readonly Buffer[], body: Buffer): Buffer | undefined => {
  if (bytesOf(head, body) > REPLAY_BYTES_MAX) return undefined;
  return head.length === 0 ? body : Buffer.concat([...head, body]);
};

/** A unary answer on its way to the client. Its bill is durable before its first byte. */
export class UnaryAnswer implements OpenExchange {
  place = NOWHERE;
  #clientGone = false;
  #ended = false;

  constructor(private readonly options: UnaryAnswerOptions) {
    options.response.on('close', () => {
      if (options.response.writableFinished || this.#ended) return;
      this.#clientGone = true;
      options.abort();
    });
  }

  /** Settles and sends a whole answer. One that comes when its client has left is recorded, and not charged. */
  async send(reply: Extract<ExchangeReply, { kind: 'unary' }>): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const { response, settlement, mark } = this.options;
    try {
      const { usage, outputTokens, served, head = NO_PIECES, body: end } = reply;
      const ending: Ending = {
        outcome: this.#clientGone ? 'aborted' : 'completed',
        usage,
        deliveredTokens: outputTokens,
        served,
        workedFor: true,
        lapses: !this.#clientGone,
      };
      if (this.#clientGone) await mark?.end({ kind: 'failed' });
      // If this fails nothing is settled: should the answer have been kept all the same, a replay settles it; else the
      // lease of the hold ends it without a charge.
      else if (mark !== undefined && !(await mark.answered(kept(head, end), settlement.requestFor(ending))))
        return await this.#endWith(markTaken(), { ...ending, outcome: 'failed', lapses: false });
      const charge = await settlement.settle(ending);
      if (this.#clientGone) return;
      const replace = usage === null || charge.flags.length > 0;
      const body = withCost(end, '', {
        usage: charge.usage,
        cost: charge.cost,
        served: null,
        replace,
      });
      mark?.settled(kept(head, body));
      response.writeHead(200, {
        ...this.options.headers(served),
        'content-type': 'application/json; charset=utf-8',
        'content-length': bytesOf(head, body),
      });
      for (const piece of head) response.write(piece);
      response.end(body);
    } catch (error) {
      const fault = Fault.from(error);
      // What is not kept for a replay may be asked for anew, once it is certain that it costs nothing.
      if (fault.code === 'settlement_lapsed') await mark?.end({ kind: 'uncharged' });
      sendFault(response, fault, this.options.headers(null));
    } finally {
      this.options.closed();
    }
  }

  /** Ends without an answer: nothing is charged, whether it failed or the client left. */
  async fail(fault: Fault): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    try {
      await this.#endWith(fault, {
        outcome: this.#clientGone ? 'aborted' : 'failed',
        usage: null,
        deliveredTokens: 0,
        served: null,
        workedFor: wasWorkedFor(fault),
        lapses: false,
      });
    } finally {
      this.options.closed();
    }
  }

  /** Sends an error, which costs nothing; resolves when the request is settled as well, or can't be. */
  async #endWith(fault: Fault, ending: Ending): Promise<void> {
    const { clock, headers, mark, response, settlement } = this.options;
    // A settlement that fails is logged where it happened. Made later or never, it charges nothing.
    const ended = Promise.allSettled([settlement.settle(ending), mark?.end({ kind: 'failed' })]);
    await beforeError(clock, ended);
    sendFault(response, fault, headers(null));
    await ended;
  }

  tick(nowMs: number): void {
    if (this.#ended) return;
    const renewed = this.options.settlement.renewIfDue(nowMs, 0, () => {
      void this.fail(
        new Fault('internal_error', 'The request was ended.', { internal: 'settled by another' }),
      );
      this.options.abort();
    });
    if (renewed) this.options.mark?.renew();
  }

  interrupt(): void {
    // In this order: once it is ended, what the stages below make of the abort says nothing more to the client.
    void this.fail(
      new Fault('service_unavailable', 'The server is shutting down. Please retry.', { retryAfterMs: 1_000 }),
    );
    this.options.abort();
  }
}

/** The request took longer than its mark was renewed, and was sent again: the answer is the other one's. */
const markTaken = (): Fault =>
  new Fault('service_unavailable', 'The request was taken over by one that was sent later. Please retry.', {
    internal: 'its idempotency mark ran out and is another’s',
    retryAfterMs: 1_000,
  });
