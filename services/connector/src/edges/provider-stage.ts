import {
  ExchangeHandler,
  type ChatRequest,
  type EmbeddingsRequest,
  type Exchange,
  type ExchangeReply,
  type ReplyStream,
  type Served,
  type Target,
  type ReportedUsage,
  type Usage,
} from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import {
  addUsage,
  encodeAnswer,
  encodeVectors,
  endEmbeddings,
  estimateInputs,
  estimatePrompt,
  TokenMeter,
  type AnswerIdentity,
  type ChatAnswer,
} from '@tunan/llm';
import type { Logger } from '@tunan/service-kit';
import type { Judge } from '../domain/answer-check.js';
import { decodeAnswer, type DecodedAnswer } from '../domain/decode-answer.js';
import type { ChatCall } from '../domain/dialect.js';
import { batchFault, decodeEmbeddings, encodeEmbeddingsCall, inputBatches } from '../domain/embeddings.js';
import { encodeChat, type EncodedChat } from '../domain/encode-chat.js';
import { offersFunctions } from '../domain/offered-tools.js';
import { providerFault } from '../domain/vendor-error.js';
import { withinCeiling } from '../domain/within-ceiling.js';
import {
  AnswerCollector,
  collected,
  LeftUnjudged,
  replay,
  unjudged,
  untilAccepted,
} from './checked-answer.js';
import type { ProviderMetrics } from './connector-metrics.js';
import { mapBounded } from './map-bounded.js';
import { openCompletions } from './completions.js';
import { madeCallId, StreamCall, type StreamCallOptions, type StreamObserver } from './stream-call.js';
import { UnaryCall } from './unary-call.js';
import { clientClosed, type CallContext } from './upstream-call.js';

/** Batches of one embeddings request that are under way together. */
const BATCHES_AT_ONCE = 4;
/** What an image costs is the catalog's to know; estimates of this stage fill gaps that settlement closes. */
const NO_TOKENS: ReportedUsage | null = { prompt: 0, cachedPrompt: 0, completion: 0, reasoning: 0 };
const NO_IMAGES = { imageTokens: 0, imageTokensMax: 0 };

/** Where an exchange without a target goes: a stage can be driven with an OpenAI SDK alone. */
const directTarget = (context: CallContext, model: string): Target => ({
  channel: `${context.dialect.id}.direct`,
  provider: context.dialect.id,
  upstreamModel: model,
  thinking: null,
  billsAfterCancel: false,
  unstreamedTokensMax: 8_192,
  timeouts: {
    connectMs: 5_000,
    firstContentMs: 60_000,
    idleMs: 60_000,
    unaryFirstByteMs: 120_000,
    totalMs: 600_000,
  },
});

/** One provider as a stage of the data plane: an OpenAI-compatible server in front of one vendor. */
export class ProviderStage extends ExchangeHandler {
  /** @param shownAs the provider that clients are told of: its id, or `simulator` */
  constructor(
    private readonly context: CallContext,
    private readonly shownAs: string,
    private readonly metrics: ProviderMetrics,
    private readonly logger: Logger,
  ) {
    super();
  }

  async handle(exchange: Exchange): Promise<ExchangeReply> {
    const target = exchange.target ?? directTarget(this.context, exchange.body.model);
    try {
      const reply = await this.#answer(exchange, target);
      if (reply.kind === 'unary') this.metrics.ended('completed');
      return reply;
    } catch (error) {
      const fault = Fault.from(error);
      this.#failed(exchange, target, fault);
      throw fault;
    }
  }

  #answer(exchange: Exchange, target: Target): Promise<ExchangeReply> {
    if (exchange.operation === 'embeddings') return this.#embeddings(exchange, target);
    return exchange.stream ? this.#stream(exchange, target) : this.#unary(exchange, target);
  }

  #stream(exchange: Exchange, target: Target): Promise<ExchangeReply> {
    const encoded = this.#encode(exchange, target);
    const identity = this.#identity(exchange);
    const served = this.#served(target, encoded);
    const observer = this.#observer(exchange, target);
    const open = (one: Exchange, choice: number): Promise<ExchangeReply> => {
      const options = { served, identity, choice, encoded, observer };
      return encoded.check === undefined
        ? StreamCall.open(this.context, one, target, options)
        : this.#checkedStream(one, target, options);
    };
    const completions = (exchange.body as ChatRequest).n ?? 1;
    return completions === 1
      ? open(exchange, 0)
      : openCompletions(exchange, completions, { identity, served, open });
  }

  /** A streamed answer that must be seen whole before any of it is shown. */
  async #checkedStream(
    exchange: Exchange,
    target: Target,
    options: StreamCallOptions,
  ): Promise<ExchangeReply> {
    const { served, identity, choice } = options;
    try {
      const accepted = await untilAccepted(
        this.context.dialect.id,
        options.encoded,
        (problem) => this.#encode(exchange, target, problem),
        async (encoded) => {
          const collector = new AnswerCollector();
          const call = { ...options, encoded, collector };
          const reply = await StreamCall.open(this.context, exchange, target, call);
          return collected(streamOf(reply), collector);
        },
        this.#judge(exchange),
      );
      return replay(exchange, served, identity, choice, accepted);
    } catch (error) {
      if (error instanceof LeftUnjudged) return unjudged(served, error.reported);
      throw error;
    }
  }

  async #unary(exchange: Exchange, target: Target): Promise<ExchangeReply> {
    const streamed = { ...exchange, stream: true };
    const long = exchange.ceiling > target.unstreamedTokensMax;
    const encoded = this.#encode(long ? streamed : exchange, target);
    const call = encoded.stream ? streamed : exchange;
    const completions = (exchange.body as ChatRequest).n ?? 1;
    if (completions === 1)
      return this.#unaryReply(exchange, target, encoded, [await this.#complete(call, target, encoded, 0)]);
    const choices = Array.from({ length: completions }, (_, choice) => choice);
    const decoded = await mapBounded(choices, completions, call, (choice, one) =>
      this.#complete(one, target, encoded, choice),
    );
    return this.#unaryReply(exchange, target, encoded, decoded);
  }

  /** One completion of a unary answer. */
  #complete(
    exchange: Exchange,
    target: Target,
    encoded: EncodedChat,
    choice: number,
  ): Promise<DecodedAnswer> {
    const send = (one: EncodedChat): Promise<DecodedAnswer> =>
      exchange.stream
        ? this.#collect(exchange, target, one, choice)
        : UnaryCall.send(this.context, exchange, target, {
            path: this.context.dialect.chatPath,
            body: one.body,
            read: (body) => this.#decode(exchange, target, body, one, choice),
          });
    if (encoded.check === undefined) return send(encoded);
    const encode = (problem: string): EncodedChat => this.#encode(exchange, target, problem);
    return untilAccepted(this.context.dialect.id, encoded, encode, send, this.#judge(exchange));
  }

  /** A completion that the provider streams and the client does not. Who leaves it leaves nothing, so nothing is drained. */
  async #collect(
    exchange: Exchange,
    target: Target,
    encoded: EncodedChat,
    choice: number,
  ): Promise<DecodedAnswer> {
    const collector = new AnswerCollector();
    // How it ends is counted once, with the whole answer.
    const observer = { ...this.#observer(exchange, target), completed: noop, failed: noop };
    const options = {
      served: this.#served(target, encoded),
      identity: this.#identity(exchange),
      choice,
      encoded,
      observer,
      collector,
    };
    try {
      const left = { ...target, billsAfterCancel: false };
      const reply = await StreamCall.open(this.context, exchange, left, options);
      const { answer, usage } = await collected(streamOf(reply), collector);
      // What is wrong with its usage the stream has told.
      return { answer, usage, impossibleUsage: undefined };
    } catch (error) {
      if (error instanceof LeftUnjudged) throw clientClosed();
      throw error;
    }
  }

  #unaryReply(
    exchange: Exchange,
    target: Target,
    encoded: EncodedChat,
    decoded: readonly DecodedAnswer[],
  ): ExchangeReply {
    const answers: ChatAnswer[] = [];
    const meter = new TokenMeter();
    let usage: ReportedUsage | null = decoded[0]!.usage;
    for (const [index, one] of decoded.entries()) {
      answers.push(one.answer);
      meterAnswer(meter, one.answer);
      if (index > 0) usage = usage === null || one.usage === null ? null : addUsage(usage, one.usage);
      if (one.impossibleUsage !== undefined) this.#impossible(exchange, target, one.impossibleUsage);
    }
    const outputTokens = meter.tokens;
    const shown = usage ?? this.#estimatedUsage(exchange, answers.length, outputTokens);
    const body = encodeAnswer(this.#identity(exchange), answers, shown);
    return { kind: 'unary', served: this.#served(target, encoded), body, usage, outputTokens };
  }

  /** Of a unary answer. */
  #judged(exchange: Exchange, target: Target, usage: ReportedUsage | null): ReportedUsage | null {
    if (usage === null) return null;
    if (usage.completion > exchange.ceiling) this.#overran(exchange, target);
    return withinCeiling(usage, exchange.ceiling, 0);
  }

  /** Fills the answer where the provider reported nothing; settlement replaces it. */
  #estimatedUsage(exchange: Exchange, completions: number, outputTokens: number): Usage {
    const { likely } = estimatePrompt(exchange.body as ChatRequest, NO_IMAGES);
    return { prompt: likely * completions, cachedPrompt: 0, completion: outputTokens, reasoning: 0 };
  }

  async #embeddings(exchange: Exchange, target: Target): Promise<ExchangeReply> {
    const { dialect } = this.context;
    const { embeddings } = dialect;
    if (embeddings === null) throw providerFault('upstream_model_missing', `${dialect.id} has no embeddings`);
    const request = exchange.body as EmbeddingsRequest;
    const format = request.encoding_format ?? 'float';
    const batches = inputBatches(request, embeddings.batchMax);
    // Each batch is written when it comes: all vectors at once would stop every other request for a second or two.
    const decoded = await mapBounded(batches, BATCHES_AT_ONCE, exchange, async (batch, one) => {
      const { first, inputs } = batch;
      try {
        return await UnaryCall.send(this.context, one, target, {
          path: embeddings.path,
          body: Buffer.from(
            encodeEmbeddingsCall(embeddings, target.upstreamModel, inputs, request.dimensions),
          ),
          read: (body) => {
            const { vectors, ...rest } = decodeEmbeddings(dialect, body, inputs.length);
            return { ...rest, piece: encodeVectors(vectors, format, first) };
          },
        });
      } catch (error) {
        throw batchFault(Fault.from(error), request, batch);
      }
    });
    for (const { impossibleUsage } of decoded)
      if (impossibleUsage !== undefined) this.#impossible(exchange, target, impossibleUsage);
    const usage = decoded
      .map((batch) => batch.usage)
      .reduce((sum, one) => (sum === null || one === null ? null : addUsage(sum, one)), NO_TOKENS);
    const head = decoded.map(({ piece }) => piece);
    const body = endEmbeddings(request.model, usage?.prompt ?? estimateInputs(request).likely);
    return { kind: 'unary', served: this.#served(target), head, body, usage, outputTokens: 0 };
  }

  /** @param rejected why the answer before was not accepted */
  #encode(exchange: Exchange, target: Target, rejected?: string): EncodedChat {
    const call: ChatCall = {
      upstreamModel: target.upstreamModel,
      thinking: target.thinking,
      ceiling: exchange.ceiling,
      stream: exchange.stream,
      accountId: exchange.caller.accountId,
      strict: exchange.strictParameters,
    };
    return encodeChat(this.context.dialect, exchange.body as ChatRequest, call, rejected);
  }

  #judge({ caller }: Exchange): Judge {
    return (schema, text) => this.context.judge.judge(caller.accountId, schema, text);
  }

  #decode(
    exchange: Exchange,
    target: Target,
    body: Buffer,
    encoded: EncodedChat,
    choice: number,
  ): DecodedAnswer {
    const decoded = decodeAnswer(this.context.dialect, body, {
      callsMax: encoded.toolCallsMax,
      newId: (index) => madeCallId(this.#identity(exchange), choice, index),
      shownName: encoded.toolNames.shown,
    });
    return { ...decoded, usage: this.#judged(exchange, target, decoded.usage) };
  }

  #identity(exchange: Exchange): AnswerIdentity {
    return {
      id: `chatcmpl-${exchange.requestId.replaceAll('-', '')}`,
      created: Math.floor(this.context.clock.nowMs() / 1_000),
      model: exchange.body.model,
      functionCall: offersFunctions(exchange.body as ChatRequest),
    };
  }

  #served({ upstreamModel, channel }: Target, encoded?: EncodedChat): Served {
    const served = { provider: this.shownAs, upstreamModel, channel, attempts: 1, fallback: false };
    return encoded?.adapted === undefined ? served : { ...served, adapted: encoded.adapted };
  }

  #observer(exchange: Exchange, target: Target): StreamObserver {
    return {
      completed: () => this.metrics.ended('completed'),
      failed: (fault) => this.#failed(exchange, target, fault),
      impossibleUsage: (raw) => this.#impossible(exchange, target, raw),
      overran: () => this.#overran(exchange, target),
    };
  }

  #overran(exchange: Exchange, target: Target): void {
    this.metrics.overran();
    const record = { requestId: exchange.requestId, channel: target.channel, ceiling: exchange.ceiling };
    this.logger.warn(record, 'the provider did not obey the ceiling');
  }

  #failed(exchange: Exchange, target: Target, fault: Fault): void {
    this.metrics.ended(fault.code);
    const record = {
      requestId: exchange.requestId,
      channel: target.channel,
      fault: fault.code,
      internal: fault.message,
    };
    if (fault.spec.owner === 'client') this.logger.debug(record, 'upstream call refused');
    else this.logger.warn(record, 'upstream call failed');
  }

  #impossible(exchange: Exchange, target: Target, raw: unknown): void {
    this.metrics.impossibleUsage();
    const usage = JSON.stringify(raw).slice(0, 500);
    this.logger.warn({ requestId: exchange.requestId, channel: target.channel, usage }, 'impossible usage');
  }
}

const noop = (): void => undefined;

const streamOf = (reply: ExchangeReply): ReplyStream => {
  if (reply.kind === 'stream') return reply.body;
  throw new Fault('internal_error', 'Internal error.', { internal: 'a unary answer for a stream' });
};

const meterAnswer = (meter: TokenMeter, answer: ChatAnswer): void => {
  meter.add(answer.content);
  meter.add(answer.reasoning);
  for (const call of answer.toolCalls) meter.add(call.arguments);
};
