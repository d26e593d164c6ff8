import type { ServerResponse } from 'node:http';
import type { CancelTimer, Clock } from '@tunan/kernel';
import type { Dialect, Frame, Reply } from '../dialects/dialect.js';
import type { AcceptedEntry, AnsweringEntry, Delivered, Outcome } from '../domain/served-entry.js';
import type { Operation } from '../domain/script-book.js';
import type { TokenCount } from '../domain/usage.js';
import type { ServedLog } from './served-log.js';

type AcceptedDetail = Omit<
  AcceptedEntry,
  'seq' | 'at' | 'event' | 'requestId' | 'provider' | 'operation' | 'nonce'
>;
type AnsweringDetail = Pick<AnsweringEntry, 'tokens' | 'finishReasons'>;

const parsed = (json: string | undefined): unknown => {
  if (json === undefined) return null;
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
};

/**
 * One call that is being answered: its place in the log, what was delivered so far, and its timers. Everything that
 * is written to the caller is announced here first.
 */
export class ServedCall {
  readonly delivered: Delivered = { chunks: 0, outputTokens: 0, reasoningTokens: 0, textChars: 0, bytes: 0 };
  nonce: string | null = null;
  /** Tokens of the whole answer, once it is planned. */
  #tokens: TokenCount | undefined;
  #finishReason: string | null = null;
  #usage: string | undefined;
  #ended = false;
  #broken = false;
  #closed = false;
  readonly #startedMs: number;
  readonly #timers = new Set<CancelTimer>();

  constructor(
    readonly requestId: string,
    readonly dialect: Dialect,
    readonly operation: Operation | 'unknown',
    readonly response: ServerResponse,
    readonly clock: Clock,
    private readonly log: ServedLog,
    onClosed: (call: ServedCall) => void,
  ) {
    this.#startedMs = clock.monotonicMs();
    response.once('close', () => {
      this.#close();
      onClosed(this);
    });
  }

  /** Whether the connection is gone: nothing more can be written. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Logs that the call came in. Nothing may be answered before. */
  accepted(detail: AcceptedDetail): void {
    this.log.append({ event: 'accepted', ...this.#identity(), ...detail });
  }

  /** Logs what is about to be sent. */
  answering(detail: AnsweringDetail): void {
    this.#tokens = detail.tokens;
    this.log.append({ event: 'answering', ...this.#identity(), ...detail });
  }

  /** Counts a frame that is written next. */
  count(frame: Frame): void {
    if (frame.tokens > 0) this.delivered.chunks += 1;
    this.delivered.outputTokens += frame.tokens;
    this.delivered.reasoningTokens += frame.reasoningTokens;
    this.delivered.textChars += frame.chars;
    if (frame.finish !== undefined) this.#finishReason = frame.finish;
    if (frame.usage !== undefined) this.#usage = frame.usage;
  }

  /** Logs the end, once; written before the bytes that complete an answer. Later calls do nothing. */
  end(outcome: Outcome, status: number | null, errorCode: string | null = null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.log.append({
      event: 'ended',
      ...this.#identity(),
      outcome,
      status,
      errorCode,
      finishReason: this.#finishReason,
      delivered: { ...this.delivered },
      reported: parsed(this.#usage),
      billed: this.#billed(outcome),
      cancelledAtToken: outcome === 'aborted_by_client' ? this.delivered.outputTokens : null,
      durationMs: Math.round(this.clock.monotonicMs() - this.#startedMs),
    });
    this.log.sync();
  }

  /** To be called before bytes are written: everything that was logged so far is in the file then. */
  beforeBytes(): void {
    this.log.sync();
  }

  /** Logs that a fault ends the call on purpose, before the connection is broken. */
  cut(): void {
    this.#broken = true;
    this.end('cut_by_fault', this.#status());
  }

  /** Sends a whole answer that is not a generation: an error, a list. */
  reply(reply: Reply, headers: Readonly<Record<string, string>> = {}, outcome: Outcome = 'error'): void {
    if (this.#closed) return;
    const body = Buffer.from(reply.body);
    this.delivered.bytes += body.length;
    this.end(outcome, reply.status, reply.code);
    this.response.writeHead(reply.status, {
      ...this.dialect.headers(this.requestId),
      'content-type': reply.contentType,
      'content-length': body.length,
      ...headers,
    });
    this.response.end(body);
  }

  /** Calls back after a delay unless the connection goes before. */
  after(delayMs: number, callback: () => void): void {
    const cancel = this.clock.after(delayMs, () => {
      this.#timers.delete(cancel);
      callback();
    });
    this.#timers.add(cancel);
  }

  /** Ends the call because the simulator stops. */
  stop(): void {
    this.#broken = true;
    this.end('stopped', this.#status());
    this.response.destroy();
  }

  /** What was sent so far, as the usage of a shorter answer. */
  get sentTokens(): TokenCount {
    const { prompt = 0, cached = 0 } = this.#tokens ?? {};
    const { outputTokens: completion, reasoningTokens: reasoning } = this.delivered;
    return { prompt, cached, completion, reasoning };
  }

  #identity() {
    const { requestId, operation, nonce } = this;
    return { requestId, provider: this.dialect.provider, operation, nonce };
  }

  #status(): number | null {
    return this.response.headersSent ? this.response.statusCode : null;
  }

  #billed(outcome: Outcome): TokenCount | null {
    if (this.#tokens === undefined) return null;
    if (outcome === 'completed') return this.#tokens;
    return this.dialect.billsAfterCancel && outcome !== 'error' ? this.#tokens : this.sentTokens;
  }

  #close(): void {
    this.#closed = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    if (!this.#ended) this.end('aborted_by_client', this.#status());
    else if (!this.response.writableFinished && !this.#broken)
      this.log.append({ event: 'undelivered', ...this.#identity() });
  }
}
