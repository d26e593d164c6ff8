import type { ServerResponse } from 'node:http';
import type { ReplySink, ReplyStream, Served, SettleReply, ReportedUsage } from '@tunan/contracts';
import { errorBody, Fault, type Clock } from '@tunan/kernel';
import { sendFault } from '@tunan/service-kit';
import { wasWorkedFor } from '../domain/upstream-work.js';
import { withCost } from '../domain/usage-json.js';
import { beforeError } from './before-error.js';
import { ChunkedBody } from './chunked-body.js';
import type { IdempotencyMark } from './idempotency.js';
import { NOWHERE, type OpenExchange } from './open-exchanges.js';
import type { Settlement } from './settlement.js';

const KEEP_ALIVE = Buffer.from(': keep-alive\n\n');
const DONE = Buffer.from('data: [DONE]\n\n');
const FRAME_END = '\n\n';

/** Timing of a stream towards the client, in milliseconds. */
export interface StreamTimes {
  /** Monotonic time at which the response headers go out, content or not. */
  readonly headersAtMs: number;
  /** Interval of keep-alives while nothing else is sent, once the headers are out. */
  readonly keepAliveMs: number;
  /** A client that takes nothing for this long has gone. */
  readonly writeStallMs: number;
}

/** What a stream needs from its surroundings. */
export interface StreamAnswerOptions {
  readonly response: ServerResponse;
  readonly clock: Clock;
  readonly settlement: Settlement;
  readonly includeUsage: boolean;
  readonly times: StreamTimes;
  /** Response headers at the moment they go out; `served` is null if nothing has answered yet. */
  readonly headers: (served: Served | null) => Record<string, string>;
  /** Set if the client may ask for the same answer again; streams are not kept. */
  readonly mark: IdempotencyMark | undefined;
  /** Tells the stages below that the client went away. */
  readonly abort: () => void;
  /** Called once, when everything is settled and written. */
  readonly closed: () => void;
}

/** A streamed answer on its way to the client. Settles before the bytes that complete it. */
export class StreamAnswer implements ReplySink, OpenExchange {
  place = NOWHERE;
  readonly #out: ChunkedBody;
  #body: ReplyStream | undefined;
  #served: Served | null = null;
  #delivered = 0;
  #contentSent = false;
  #usage: ReportedUsage | null = null;
  #usageFrame: Buffer | undefined;
  #clientGone = false;
  #ended = false;
  #servedUnknownAtHead = false;
  #lastWriteMs = 0;
  #blockedSinceMs: number | undefined;

  constructor(private readonly options: StreamAnswerOptions) {
    this.#out = new ChunkedBody(options.response);
    options.response.on('drain', () => {
      this.#blockedSinceMs = undefined;
      this.#body?.resume();
    });
    options.response.on('close', () => {
      if (!options.response.writableFinished) this.#onClientGone();
    });
  }

  /** Takes the body of a reply and lets it flow. */
  pipe(body: ReplyStream, served: Served): void {
    this.#served = served;
    this.#body = body;
    body.start(this);
  }

  frames(bytes: Buffer, outputTokens: number): boolean {
    if (this.#clientGone || this.#ended) return true;
    this.#writeHead();
    this.#contentSent = true;
    this.#delivered += outputTokens;
    return this.#write(bytes);
  }

  usage(usage: ReportedUsage | null, frame: Buffer): void {
    this.#usage = usage;
    this.#usageFrame = frame;
  }

  end(): void {
    void this.#complete();
  }

  fail(fault: Fault): void {
    void this.#break(fault);
  }

  tick(nowMs: number): void {
    if (this.#ended) return;
    const { times, settlement } = this.options;
    const renewed = settlement.renewIfDue(nowMs, this.#delivered, () => {
      this.fail(new Fault('internal_error', 'The request was ended.', { internal: 'settled by another' }));
      this.options.abort();
    });
    if (renewed) this.options.mark?.renew();
    if (this.#clientGone) return;
    if (this.#blockedSinceMs !== undefined) {
      // A reset: closed in order, the kernel would keep what the client does not take for as long as the client stays.
      if (nowMs - this.#blockedSinceMs >= times.writeStallMs) this.options.response.socket?.resetAndDestroy();
    } else if (nowMs >= this.#keepAliveDueMs(times)) {
      this.#writeHead();
      this.#write(KEEP_ALIVE);
    }
  }

  /** Before the headers are out nothing may be sent: what comes then may still be an error with its status. */
  #keepAliveDueMs({ headersAtMs, keepAliveMs }: StreamTimes): number {
    return this.options.response.headersSent ? this.#lastWriteMs + keepAliveMs : headersAtMs;
  }

  interrupt(): void {
    // In this order: once it is ended, what the stages below make of the abort says nothing more to the client.
    this.fail(
      new Fault('service_unavailable', 'The server is shutting down. Please retry.', { retryAfterMs: 1_000 }),
    );
    this.options.abort();
  }

  async #complete(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    // Once the answer is whole it is charged as such, also if the client has just left.
    try {
      const charge = await this.#settle('completed', true);
      await this.options.mark?.end({ kind: 'not-stored' });
      if (this.#clientGone) return;
      this.#writeHead();
      if (this.options.includeUsage && this.#usageFrame !== undefined)
        this.#write(this.#usageChunk(this.#usageFrame, charge));
      this.#out.end(DONE);
    } catch (error) {
      const fault = Fault.from(error);
      if (fault.code === 'settlement_lapsed') await this.options.mark?.end({ kind: 'uncharged' });
      this.#writeError(fault);
    } finally {
      await this.#close();
    }
  }

  async #break(fault: Fault): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const { clock, mark } = this.options;
    const ended = Promise.allSettled([
      // A failure is logged where it happened, and what was delivered is charged by a later try.
      this.#settle(this.#clientGone ? 'aborted' : this.#contentSent ? 'cut' : 'failed', wasWorkedFor(fault)),
      // What a client has left it was charged for, and can't have again; what broke it may ask for anew.
      mark?.end({ kind: this.#clientGone && this.#contentSent ? 'not-stored' : 'failed' }),
    ]);
    try {
      await beforeError(clock, ended);
      this.#writeError(fault);
      await ended;
    } finally {
      await this.#close();
    }
  }

  /** The exchange is open, so that draining waits for it, until its bill is made or given up. */
  async #close(): Promise<void> {
    await this.options.settlement.over;
    this.options.closed();
  }

  #settle(outcome: 'completed' | 'aborted' | 'cut' | 'failed', workedFor: boolean): Promise<SettleReply> {
    return this.options.settlement.settle({
      outcome,
      usage: this.#usage,
      deliveredTokens: this.#delivered,
      served: this.#served,
      workedFor,
      // Once the head is out a failure is no error status, and what was delivered is charged.
      lapses: outcome === 'completed' && !this.#clientGone && !this.options.response.headersSent,
    });
  }

  #usageChunk(frame: Buffer, charge: SettleReply): Buffer {
    const replace = this.#usage === null || charge.flags.length > 0;
    const served = this.#servedUnknownAtHead ? this.#served : null;
    return withCost(frame, FRAME_END, { usage: charge.usage, cost: charge.cost, served, replace });
  }

  #onClientGone(): void {
    if (this.#clientGone) return;
    this.#clientGone = true;
    if (this.#ended) return;
    this.options.abort();
    this.#body?.resume();
  }

  #writeHead(): void {
    if (this.options.response.headersSent) return;
    this.#servedUnknownAtHead = this.#served === null;
    this.#out.open(200, {
      ...this.options.headers(this.#served),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    });
  }

  #write(bytes: Buffer): boolean {
    const nowMs = this.options.clock.monotonicMs();
    this.#lastWriteMs = nowMs;
    const flowing = this.#out.write(bytes);
    if (!flowing) this.#blockedSinceMs ??= nowMs;
    return flowing;
  }

  /**
   * As long as no header has gone out a failure has its status. Afterwards the client learns of it by an error event
   * and the missing `[DONE]`: a clean end would read as success.
   */
  #writeError(fault: Fault): void {
    const { response } = this.options;
    if (this.#clientGone || response.writableEnded) return;
    if (response.headersSent) this.#out.end(Buffer.from(`data: ${JSON.stringify(errorBody(fault))}\n\n`));
    else sendFault(response, fault, this.options.headers(this.#served));
  }
}
