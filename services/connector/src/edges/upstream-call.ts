import type { Dispatcher } from 'undici';
import type { Exchange, Target } from '@tunan/contracts';
import { Fault, type Clock } from '@tunan/kernel';
import type { Dialect } from '../domain/dialect.js';
import { providerFault, readErrorBody, readRetryAfter, vendorFault } from '../domain/vendor-error.js';
import { Watchdog, type Expiry } from '../domain/watchdog.js';
import type { ProviderTransport } from './provider-transport.js';
import type { SchemaJudge } from './schema-judge.js';

/** What every call of one provider needs. */
export interface CallContext {
  readonly dialect: Dialect;
  readonly transport: ProviderTransport;
  readonly clock: Clock;
  readonly judge: SchemaJudge;
}

type Headers = Record<string, string | string[] | undefined>;

/** More of an error body tells nothing more. */
const ERROR_BYTES_MAX = 64 * 1024;

/** The client left: nobody reads this. */
export const clientClosed = (): Fault => new Fault('client_closed', 'The client closed the request.');

/**
 * One HTTP call of a provider, from dispatch to the last byte: its time limits, its cancellation, and the fault of
 * whatever goes wrong. Subclasses read the answer.
 */
export abstract class UpstreamCall implements Dispatcher.DispatchHandler {
  protected readonly watchdog: Watchdog;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #headers: Headers = {};
  #errorChunks: Buffer[] = [];
  #errorBytes = 0;
  #cancelled = false;
  #over = false;
  #released = false;
  readonly #onAbort = (): void => {
    if (!this.#over) this.clientLeft();
  };

  constructor(
    protected readonly context: CallContext,
    protected readonly exchange: Exchange,
    protected readonly target: Target,
  ) {
    this.watchdog = new Watchdog(context.clock, (expiry) => this.expired(expiry));
  }

  /** An answer begins. */
  protected abstract answerBegins(): void;
  protected abstract answerBytes(chunk: Buffer): void;
  protected abstract answerEnds(): void;
  /** The call failed; nothing follows. */
  protected abstract failed(fault: Fault): void;
  protected abstract clientLeft(): void;
  /** The request is on its way to the provider. */
  protected abstract sent(): void;

  /** A time limit has passed; all limits are off. */
  protected expired(expiry: Expiry): void {
    const code = expiry === 'deadline' ? 'deadline_exceeded' : 'upstream_timeout';
    this.abandon(providerFault(code, `${this.context.dialect.id}: ${expiry} took too long`));
  }

  /** Sends the request. Never throws. */
  protected dispatch(path: string, body: Buffer, stream: boolean): void {
    const { signal, deadlineMs, requestId } = this.exchange;
    const { transport, clock } = this.context;
    if (signal.aborted) return this.fail(clientClosed());
    signal.addEventListener('abort', this.#onAbort);
    const { connectMs, totalMs } = this.target.timeouts;
    const totalAtMs = clock.monotonicMs() + totalMs;
    if (deadlineMs < totalAtMs) this.watchdog.endBy(deadlineMs, 'deadline');
    else this.watchdog.endBy(totalAtMs, 'total');
    this.watchdog.begin('connect', connectMs);
    try {
      transport.dispatch(path, body, stream, requestId, this);
    } catch (error) {
      // Nothing was sent, and no callback will come.
      this.#released = true;
      this.fail(Fault.from(error));
    }
  }

  /** Ends the call with a fault. Without effect once it is over. */
  protected fail(fault: Fault): void {
    if (this.#over) return;
    this.over();
    this.failed(fault);
  }

  /** Ends the call with a fault and closes its connection. */
  protected abandon(fault: Fault): void {
    // In this order: closing the connection reports an error of its own.
    this.fail(fault);
    this.cancel();
  }

  /** The call's purpose is fulfilled or gone: no limit, signal or callback reaches the subclass any more. */
  protected over(): void {
    this.#over = true;
    this.watchdog.stop();
    this.exchange.signal.removeEventListener('abort', this.#onAbort);
  }

  /** Closes the connection to the provider, now or as soon as there is one. Only once the call is over. */
  protected cancel(): void {
    this.#cancelled = true;
    this.#controller?.abort(new Error('cancelled'));
  }

  /** True while the provider's answer has not ended. */
  protected get underWay(): boolean {
    return !this.#released;
  }

  protected pauseUpstream(): void {
    this.watchdog.pause();
    this.#controller?.pause();
  }

  protected resumeUpstream(): void {
    this.watchdog.resume();
    this.#controller?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#cancelled) controller.abort(new Error('cancelled'));
    else if (!this.#over) this.sent();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (status < 200 || this.#over) return;
    this.#status = status;
    this.#headers = headers;
    this.watchdog.bytes();
    if (this.#successful) this.answerBegins();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    this.watchdog.bytes();
    if (this.#successful) return this.answerBytes(chunk);
    const room = ERROR_BYTES_MAX - this.#errorBytes;
    if (room <= 0) return;
    this.#errorBytes += chunk.length;
    this.#errorChunks.push(chunk.subarray(0, room));
  }

  onResponseEnd(): void {
    this.#release();
    if (this.#over) return;
    if (this.#successful) return this.answerEnds();
    const { dialect, clock } = this.context;
    const body = Buffer.concat(this.#errorChunks);
    const error = readErrorBody(this.#status, body.toString());
    if (dialect.filtersAnswer(error)) return this.#takeAnswer(body);
    const retryAfter = this.#headers['retry-after'];
    const nowMs = clock.nowMs();
    const retryAfterMs = readRetryAfter(typeof retryAfter === 'string' ? retryAfter : undefined, nowMs);
    this.fail(vendorFault(dialect.id, error, dialect.classify, { retryAfterMs, nowMs }));
  }

  /** What came under an error's status is an answer all the same. */
  #takeAnswer(body: Buffer): void {
    this.answerBegins();
    this.answerBytes(body);
    if (!this.#over) this.answerEnds();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#release();
    if (!this.#over) this.fail(this.#connectionFault(error));
  }

  get #successful(): boolean {
    return this.#status >= 200 && this.#status < 300;
  }

  /** The connection broke: an answer that had begun was cut, anything else did not come about. */
  #connectionFault(error: Error & { readonly code?: string }): Fault {
    if (error instanceof Fault) return error;
    const { dialect } = this.context;
    const internal = `${dialect.id}: ${error.code ?? error.name}: ${error.message}`;
    if (this.#successful) return providerFault('upstream_stream_cut', internal, { cause: error });
    const code = error.code === 'UND_ERR_CONNECT_TIMEOUT' ? 'upstream_timeout' : 'upstream_error';
    return providerFault(code, internal, { cause: error });
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.context.transport.release();
  }
}
