import type {
  ChatRequest,
  Exchange,
  ExchangeReply,
  ReplySink,
  ReplyStream,
  ReportedUsage,
  Served,
  Target,
  Usage,
} from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import {
  ChunkEncoder,
  estimatePrompt,
  saysSomething,
  TokenMeter,
  type AnswerIdentity,
  type ChatDelta,
  type FinishReason,
} from '@tunan/llm';
import { decodeAnswer } from '../domain/decode-answer.js';
import type { EncodedChat } from '../domain/encode-chat.js';
import { StopCutter } from '../domain/stop-cutter.js';
import { StreamDecoder } from '../domain/stream-decoder.js';
import type { ToolCallOptions } from '../domain/tool-calls.js';
import { providerFault } from '../domain/vendor-error.js';
import type { Expiry } from '../domain/watchdog.js';
import { withinCeiling } from '../domain/within-ceiling.js';
import type { AnswerCollector } from './checked-answer.js';
import { ReplyOutbox } from './reply-outbox.js';
import { clientClosed, UpstreamCall, type CallContext } from './upstream-call.js';

/** What a stream tells those who count and log. */
export interface StreamObserver {
  /** The answer was whole. */
  completed(): void;
  /** The stream failed after it had been answered. */
  failed(fault: Fault): void;
  impossibleUsage(raw: unknown): void;
  /** The provider did not obey the ceiling. */
  overran(): void;
}

/** One streamed completion. */
export interface StreamCallOptions {
  readonly served: Served;
  readonly identity: AnswerIdentity;
  /** Index of the completion. */
  readonly choice: number;
  readonly encoded: EncodedChat;
  readonly observer: StreamObserver;
  /** Takes what the stream says instead of the client. */
  readonly collector?: AnswerCollector;
}

/** How long usage may take once the provider said why the answer ended. */
const USAGE_MS = 5_000;
/** How long an upstream that bills after a cancellation is read on without a client. */
const DRAIN_MS = 30_000;
/** How long a complete answer's connection may take to end before it is closed instead of used again. */
const TAIL_MS = 1_000;
const JSON_BYTES_MAX = 32 * 1024 * 1024;
/**
 * Output beyond the ceiling by our estimate at which a provider is taken not to obey it. Well above what the estimate
 * can err for real text: English prose has at most 1.2 times as many characters per token as it assumes. Where events
 * carry one token each, as they mostly do, counting them tells it sooner.
 */
const OVERRUN_FACTOR = 1.75;
const OVERRUN_TOKENS = 64;

/** Id of a tool call to which the provider gave none. Unique among all answers. */
export const madeCallId = (identity: AnswerIdentity, choice: number, index: number): string =>
  `call_${identity.id.slice(-24)}_${choice}_${index}`;

const BLANK = /^[\t\n\r \uFEFF]*/;

/**
 * One streamed chat call: reads the provider's events, writes the client's frames. Resolves with the first content, so
 * that everything before it can still be tried elsewhere.
 *
 * All frames of one upstream chunk go out as one buffer. Once the provider has said why it ended the answer is whole,
 * and its usage is awaited whatever the client does.
 */
export class StreamCall extends UpstreamCall implements ReplyStream {
  readonly #outbox = new ReplyOutbox();
  readonly #meter = new TokenMeter();
  readonly #encoder: ChunkEncoder;
  readonly #decoder: StreamDecoder;
  readonly #cutter: StopCutter | undefined;
  readonly #tokensMax: number;
  readonly #calls: ToolCallOptions;
  #mode: 'unknown' | 'events' | 'json' = 'unknown';
  /** Blanks came, and nothing else yet. */
  #blanks = false;
  #json: Buffer[] = [];
  #jsonBytes = 0;
  /** Frames of the chunk at hand. */
  #frames = '';
  #spoke = false;
  /** The provider may have begun to work, and to charge for it. */
  #reached = false;
  /** Events that said something; each is a token at least. */
  #events = 0;
  /** The provider does not obey the ceiling: nothing more is shown. */
  #overrun = false;
  /** Tokens of the event that crossed the ceiling, as far as it was delivered; 0 before. */
  #crossing = 0;
  /** The observer knows of it. */
  #told = false;
  #answered = false;
  #finishing = false;
  #clientLeft = false;
  #resolve!: (reply: ExchangeReply) => void;
  #reject!: (fault: Fault) => void;

  private constructor(
    context: CallContext,
    exchange: Exchange,
    target: Target,
    private readonly options: StreamCallOptions,
  ) {
    super(context, exchange, target);
    const { identity, choice, encoded } = options;
    this.#calls = {
      callsMax: encoded.toolCallsMax,
      newId: (index) => madeCallId(identity, choice, index),
      shownName: encoded.toolNames.shown,
    };
    this.#encoder = new ChunkEncoder({ ...identity, choice, includeUsage: exchange.includeUsage });
    this.#decoder = new StreamDecoder(context.dialect, this.#calls, (delta) => this.#onDelta(delta));
    this.#cutter = encoded.localStops.length === 0 ? undefined : new StopCutter(encoded.localStops);
    this.#tokensMax = exchange.ceiling * OVERRUN_FACTOR + OVERRUN_TOKENS;
  }

  /**
   * Starts a call; resolves once it has content.
   * @throws Fault (by rejection)
   */
  static open(
    context: CallContext,
    exchange: Exchange,
    target: Target,
    options: StreamCallOptions,
  ): Promise<ExchangeReply> {
    return new Promise((resolve, reject) => {
      const call = new StreamCall(context, exchange, target, options);
      call.#resolve = resolve;
      call.#reject = reject;
      call.dispatch(context.dialect.chatPath, options.encoded.body, true);
    });
  }

  start(sink: ReplySink): void {
    if (this.#outbox.start(sink)) this.resumeUpstream();
  }

  resume(): void {
    this.resumeUpstream();
  }

  protected override sent(): void {
    this.#reached = true;
    this.watchdog.begin('first-content', this.target.timeouts.firstContentMs);
  }

  protected override answerBegins(): void {
    this.watchdog.watchBytes(this.target.timeouts.idleMs);
  }

  protected override answerBytes(chunk: Buffer): void {
    if (this.#mode === 'unknown') this.#begin(chunk);
    if (this.#mode === 'json') return this.#collect(chunk);
    this.#decoder.push(chunk);
    this.#advance();
  }

  #begin(chunk: Buffer): void {
    this.#mode = modeOf(chunk);
    this.#blanks = this.#mode === 'unknown';
  }

  protected override answerEnds(): void {
    if (this.#mode === 'json') return this.#takeJson();
    if (this.#mode === 'unknown') return this.#endsUnbegun();
    this.#decoder.end();
    this.#advance();
  }

  /** Blanks only: the provider held the connection open and never began. Nothing at all: the stream was cut. */
  #endsUnbegun(): void {
    const { id } = this.context.dialect;
    this.fail(
      this.#blanks
        ? providerFault('upstream_overloaded', `${id}: a blank stream`)
        : providerFault('upstream_stream_cut', `${id}: an empty stream`),
    );
  }

  protected override failed(fault: Fault): void {
    if (this.#clientLeft && (this.#begun || fault.code === 'client_closed')) return this.#leave(this.#usage);
    if (!this.#answered) return this.#reject(fault);
    // The answer was whole; only its usage did not come.
    if (this.#finishing) return this.#complete(this.#decoder.finishReason, this.#usage);
    const usage = this.#usage;
    if (usage !== null) this.#outbox.usage(usage, Buffer.from(this.#encoder.usage(usage)));
    this.#outbox.finish(fault);
    this.options.observer.failed(fault);
  }

  /** The answer that is finished comes to its end; what is under way is drained or cancelled. */
  protected override clientLeft(): void {
    if (this.#finishing) return;
    this.#clientLeft = true;
    if (!this.target.billsAfterCancel) {
      return this.abandon(clientClosed());
    }
    this.watchdog.begin('drain', DRAIN_MS);
    this.resumeUpstream();
  }

  protected override expired(expiry: Expiry): void {
    // Its client left and we go, too: that is no failure of the provider.
    if (expiry === 'drain') return this.abandon(clientClosed());
    if (!this.#finishing) return super.expired(expiry);
    this.#complete(this.#decoder.finishReason, this.#usage);
    this.cancel();
  }

  /** The provider answers: it said something, or that there is nothing to say. One that fails before is never charged. */
  get #begun(): boolean {
    return this.#spoke || this.#decoder.progress === 'finished';
  }

  /** After each chunk: sends what it brought, and ends the call if it is at its end. */
  #advance(): void {
    if (this.#overrun) {
      this.#overran();
      return this.#cut('length');
    }
    if (this.#cutter?.stopped === true) return this.#cut('stop');
    const { progress } = this.#decoder;
    if (progress === 'complete') return this.#complete(this.#decoder.finishReason, this.#usage);
    // Nothing has been sent yet, so what came together with the failure never has to be.
    if (progress === 'failed' && !this.#answered) return this.abandon(this.#decoder.fault);
    if (this.#frames !== '') this.#flush(progress === 'open');
    if (progress === 'failed') return this.abandon(this.#decoder.fault);
    if (progress === 'finished') this.#awaitUsage();
  }

  #onDelta(delta: ChatDelta): void {
    this.watchdog.payload();
    if (!this.#spoke) {
      this.#spoke = true;
      if (!this.#clientLeft) this.watchdog.endPhase();
      this.watchdog.watchPayload(this.target.timeouts.idleMs);
    }
    if (this.#cutter !== undefined) return this.#showCut(delta, this.#cutter);
    this.#show(delta);
  }

  #show(delta: ChatDelta): void {
    if (this.#overrun) return;
    const { ceiling } = this.exchange;
    const before = this.#meter.tokens;
    this.#meter.add(delta.content);
    this.#meter.add(delta.reasoning);
    for (const call of delta.toolCalls) this.#meter.add(call.arguments);
    this.#events += 1;
    const { tokens } = this.#meter;
    this.#overrun = this.#events > ceiling || tokens > this.#tokensMax;
    if (this.#overrun) this.#decoder.stop();
    if (this.#clientLeft) return;
    if (this.#crossing === 0 && (this.#overrun || tokens > ceiling))
      this.#crossing = Math.max(1, tokens - before);
    if (this.options.collector === undefined) this.#frames += this.#encoder.delta(delta);
    else this.options.collector.pieces.push(delta);
  }

  /** Only content is held back. What stands beside the end of a stop sequence, as calls do, was generated after it. */
  #showCut(delta: ChatDelta, cutter: StopCutter): void {
    const content = cutter.push(delta.content);
    const toolCalls = cutter.stopped ? [] : delta.toolCalls;
    if (cutter.stopped) this.#decoder.stop();
    const shown = { ...delta, content, toolCalls };
    if (saysSomething(shown)) this.#show(shown);
  }

  #flush(mayPause: boolean): void {
    const bytes = Buffer.from(this.#frames);
    this.#frames = '';
    const flowing = this.#outbox.frames(bytes, this.#meter.take());
    this.#answer();
    if (!flowing && mayPause && !this.#clientLeft) this.pauseUpstream();
  }

  /** There is an answer: from here on its receiver is told of everything. */
  #answer(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#resolve({ kind: 'stream', served: this.options.served, body: this });
  }

  #awaitUsage(): void {
    if (this.#finishing || this.#clientLeft) return;
    this.#finishing = true;
    this.watchdog.begin('usage', USAGE_MS);
    this.#answer();
  }

  /** Ends an answer that the provider would go on with. What it would have reported is lost. */
  #cut(reason: FinishReason): void {
    this.#complete(reason, this.#usage);
    this.cancel();
  }

  get #usage(): ReportedUsage | null {
    return this.#judged(this.#decoder.usage, this.#crossing);
  }

  #judged(usage: ReportedUsage | null, crossing: number): ReportedUsage | null {
    if (usage === null) return null;
    if (usage.completion > this.exchange.ceiling) this.#overran();
    return withinCeiling(usage, this.exchange.ceiling, crossing);
  }

  #overran(): void {
    if (this.#told) return;
    this.#told = true;
    this.options.observer.overran();
  }

  #complete(reason: FinishReason, usage: ReportedUsage | null): void {
    this.over();
    this.#closeTail();
    if (this.#decoder.impossibleUsage !== undefined)
      this.options.observer.impossibleUsage(this.#decoder.impossibleUsage);
    if (this.#clientLeft) return this.#leave(usage);
    const held = this.#cutter?.flush() ?? '';
    if (held !== '') this.#show({ content: held, reasoning: '', refusal: '', toolCalls: [], logprobs: null });
    const shown = this.#cutter?.stopped === true ? 'stop' : reason;
    if (this.options.collector !== undefined) this.options.collector.finishReason = shown;
    this.#frames += this.#encoder.finish(shown);
    this.#flush(false);
    this.#outbox.usage(usage, Buffer.from(this.#encoder.usage(usage ?? this.#estimatedUsage())));
    this.#outbox.finish('end');
    this.options.observer.completed();
  }

  /**
   * The client left before the provider was done, and the provider did not fail before it began. That is an answer, also
   * before any content: who served it must be known, because the prompt is charged.
   */
  #leave(usage: ReportedUsage | null): void {
    if (!this.#reached) return this.#reject(clientClosed());
    if (usage !== null) this.#outbox.usage(usage, Buffer.from(this.#encoder.usage(usage)));
    this.#outbox.finish(clientClosed());
    this.options.observer.failed(clientClosed());
    this.#answer();
  }

  /** Fills the usage chunk where the provider reported nothing; settlement replaces it. */
  #estimatedUsage(): Usage {
    const { likely } = estimatePrompt(this.exchange.body as ChatRequest, {
      imageTokens: 0,
      imageTokensMax: 0,
    });
    return { prompt: likely, cachedPrompt: 0, completion: this.#meter.tokens, reasoning: 0 };
  }

  /** Lets the connection end by itself, so that it can be used again, for a moment. */
  #closeTail(): void {
    if (this.underWay) this.context.clock.after(TAIL_MS, () => this.underWay && this.cancel());
  }

  #collect(chunk: Buffer): void {
    this.#jsonBytes += chunk.length;
    if (this.#jsonBytes <= JSON_BYTES_MAX) this.#json.push(chunk);
    else
      this.abandon(
        providerFault('upstream_error', `${this.context.dialect.id}: over ${JSON_BYTES_MAX} bytes`),
      );
  }

  /** The provider answered with JSON where a stream was asked for: mostly a failure, else the whole answer at once. */
  #takeJson(): void {
    try {
      const body = Buffer.concat(this.#json);
      const { answer, usage, impossibleUsage } = decodeAnswer(this.context.dialect, body, this.#calls);
      if (impossibleUsage !== undefined) this.options.observer.impossibleUsage(impossibleUsage);
      const toolCalls = answer.toolCalls.map((call, index) => ({ ...call, index }));
      const delta = { ...answer, toolCalls };
      if (saysSomething(delta)) this.#onDelta(delta);
      // Not streamed: no event of it crossed the ceiling.
      this.#complete(answer.finishReason, this.#judged(usage, 0));
    } catch (error) {
      this.fail(Fault.from(error));
    }
  }
}

/** What a body is by its first byte that is not blank. The content type does not tell: providers send either as either. */
const modeOf = (chunk: Buffer): 'unknown' | 'events' | 'json' => {
  const head = chunk.toString('utf8', 0, 256).replace(BLANK, '');
  if (head === '') return 'unknown';
  return head.startsWith('{') || head.startsWith('<') ? 'json' : 'events';
};
