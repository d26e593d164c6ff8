import type { Dispatcher } from 'undici';
import {
  ExchangeHandler,
  type Exchange,
  type ExchangeReply,
  type ReplySink,
  type ReplyStream,
  type ReportedUsage,
} from '@tunan/contracts';
import { Fault, type Clock, type FaultWire } from '@tunan/kernel';
import type { Peer, PeerSet } from '../http/peer-set.js';
import type { StageName } from '../service.js';
import { FramingReader, type FramedEvent } from './framing.js';
import { abandonPath, decodeServed, encodeExchangeHeaders, OPERATION_PATHS } from './headers.js';

/**
 * Largest unary answer, in bytes. The largest that the public API allows are 2,048 vectors of 2,048 numbers as text, of up
 * to 25 characters each, which is 100 MiB, and eight completions, of which no connector takes more than 32 MiB each.
 */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
/** A callee that lost its connection is noticed after this much silence beyond the exchange's deadline. */
const SLACK_MS = 5_000;
const ABANDON_TIMEOUT_MS = 1_000;
/** The word that a client left may overtake the exchange itself: it is said again until the callee knows the exchange. */
const ABANDON_TRIES_MAX = 6;
const ABANDON_RETRY_MS = 20;

const unreachable = (stage: string, cause: unknown): Fault =>
  new Fault('service_unavailable', 'A part of the service is not reachable. Please retry.', {
    internal: `${stage}: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause,
    retryAfterMs: 1_000,
  });

const cut = (stage: string, cause: unknown): Fault =>
  new Fault('upstream_stream_cut', 'The answer was cut off.', {
    internal: `${stage}: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause,
  });

const clientClosed = (): Fault => new Fault('client_closed', 'The client closed the request.');

/** A stage of the data plane that another process serves. */
export class StageClient extends ExchangeHandler {
  constructor(
    private readonly stage: StageName,
    private readonly peers: PeerSet,
    private readonly token: string,
    private readonly clock: Clock,
  ) {
    super();
  }

  async handle(exchange: Exchange): Promise<ExchangeReply> {
    const peer = await this.peers.pick().catch((cause: unknown) => {
      throw unreachable(this.stage, cause);
    });
    if (exchange.signal.aborted) throw clientClosed();
    const timeoutMs = Math.max(1, exchange.deadlineMs - this.clock.monotonicMs()) + SLACK_MS;
    peer.inFlight += 1;
    return new Promise((resolve, reject) => {
      const abandon = (): void => void this.#abandon(peer, exchange.requestId, handler);
      const handler: StageCall = new StageCall(this.stage, exchange.signal, resolve, reject, abandon, () => {
        peer.inFlight -= 1;
      });
      peer.pool.dispatch(
        {
          path: `/${this.stage}${OPERATION_PATHS[exchange.operation]}`,
          method: 'POST',
          headers: { ...encodeExchangeHeaders(exchange, this.clock), authorization: `Bearer ${this.token}` },
          body: JSON.stringify(exchange.body),
          headersTimeout: timeoutMs,
          bodyTimeout: timeoutMs,
        },
        handler,
      );
    });
  }

  async #abandon(peer: Peer, requestId: string, call: StageCall): Promise<void> {
    for (let tries = 1; tries <= ABANDON_TRIES_MAX && call.underWay; tries += 1) {
      if (await this.#tryAbandon(peer, requestId)) return;
      await this.clock.sleep(ABANDON_RETRY_MS * 2 ** tries);
    }
  }

  /** False if the callee was not reached, or does not know the exchange. */
  async #tryAbandon(peer: Peer, requestId: string): Promise<boolean> {
    try {
      const answer = await peer.pool.request({
        path: abandonPath(this.stage, requestId),
        method: 'DELETE',
        headers: { authorization: `Bearer ${this.token}` },
        signal: AbortSignal.timeout(ABANDON_TIMEOUT_MS),
      });
      await answer.body.dump();
      return answer.statusCode !== 404;
    } catch {
      // If it never succeeds the exchange's own deadline ends it.
      return false;
    }
  }
}

/** Smaller answers are put together. The `usage` with which an answer ends is far smaller. */
const END_BYTES = 64 * 1024;

/** An answer as it came; only its end, where its cost will be written, is put together. */
const inPieces = (
  chunks: readonly Buffer[],
): { readonly head?: readonly Buffer[]; readonly body: Buffer } => {
  let at = chunks.length;
  for (let bytes = 0; at > 0 && bytes < END_BYTES; bytes += chunks[at]!.length) at -= 1;
  const body = Buffer.concat(chunks.slice(at));
  return at === 0 ? { body } : { head: chunks.slice(0, at), body };
};

/** One call of a remote stage, from dispatch to the last byte. */
class StageCall implements Dispatcher.DispatchHandler, ReplyStream {
  #controller: Dispatcher.DispatchController | undefined;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #status = 0;
  #headers: Record<string, string | string[] | undefined> = {};
  #reader: FramingReader | undefined;
  #sink: ReplySink | undefined;
  #early: FramedEvent[] = [];
  #answered = false;
  #ended = false;
  #released = false;

  constructor(
    private readonly stage: StageName,
    private readonly signal: AbortSignal,
    private readonly resolve: (reply: ExchangeReply) => void,
    private readonly reject: (fault: Fault) => void,
    private readonly abandon: () => void,
    private readonly released: () => void,
  ) {}

  /**
   * The client went away. The callee is told and the connection stays: the callee drains or cancels its upstream and
   * what that reported still comes back, because it is charged.
   */
  readonly #onAbort = (): void => this.abandon();

  /** True until the callee's answer has ended. */
  get underWay(): boolean {
    return !this.#released;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Nothing has been sent yet, so nothing has to be charged.
    if (this.signal.aborted) controller.abort(clientClosed());
    else this.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#controller = controller;
    this.#status = status;
    this.#headers = headers;
    if (status !== 200 || !String(headers['content-type']).startsWith('text/event-stream')) return;
    this.#reader = new FramingReader();
    this.#answered = true;
    this.resolve({ kind: 'stream', served: decodeServed(headers), body: this });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#reader === undefined) {
      this.#bytes += chunk.length;
      if (this.#bytes > ANSWER_BYTES_MAX) controller.abort(new Error('answer too large'));
      else this.#chunks.push(chunk);
      return;
    }
    try {
      const events = this.#reader.push(chunk);
      if (this.#sink === undefined) this.#early.push(...events);
      else for (const event of events) this.#deliver(event, this.#sink);
    } catch (error) {
      controller.abort(error as Error);
    }
  }

  onResponseEnd(): void {
    this.#release();
    if (this.#reader !== undefined) return this.#fail(cut(this.stage, 'the stream ended early'));
    if (this.#status !== 200) return this.reject(this.#fault());
    this.#answered = true;
    const usage = this.#headers['x-tunan-usage'];
    this.resolve({
      kind: 'unary',
      served: decodeServed(this.#headers),
      ...inPieces(this.#chunks),
      usage: typeof usage === 'string' ? (JSON.parse(usage) as ReportedUsage) : null,
      outputTokens: Number(this.#headers['x-tunan-output-tokens'] ?? 0),
    });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#release();
    if (this.#answered) this.#fail(error instanceof Fault ? error : cut(this.stage, error));
    else this.reject(error instanceof Fault ? error : unreachable(this.stage, error));
  }

  start(sink: ReplySink): void {
    this.#sink = sink;
    const early = this.#early;
    this.#early = [];
    for (const event of early) this.#deliver(event, sink);
  }

  resume(): void {
    this.#controller?.resume();
  }

  #deliver(event: FramedEvent, sink: ReplySink): void {
    if (this.#ended) return;
    switch (event.kind) {
      case 'frames':
        if (!sink.frames(event.bytes, event.outputTokens)) this.#controller?.pause();
        return;
      case 'usage':
        return sink.usage(event.usage, event.frame);
      case 'end':
        this.#ended = true;
        return sink.end();
      case 'fail':
        this.#ended = true;
        return sink.fail(event.fault);
    }
  }

  /** The connection ended. Without effect if the callee had said that it would. */
  #fail(fault: Fault): void {
    const event: FramedEvent = { kind: 'fail', fault };
    if (this.#sink === undefined) this.#early.push(event);
    else this.#deliver(event, this.#sink);
  }

  #release(): void {
    this.#released = true;
    this.signal.removeEventListener('abort', this.#onAbort);
    this.released();
  }

  #fault(): Fault {
    const wire = this.#headers['x-tunan-fault'];
    if (typeof wire !== 'string') return unreachable(this.stage, `status ${this.#status}`);
    return Fault.fromWire(JSON.parse(decodeURIComponent(wire)) as FaultWire);
  }
}
