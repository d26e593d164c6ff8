import {
  ExchangeHandler,
  type ChatRequest,
  type EmbeddingsRequest,
  type Exchange,
  type ExchangeReply,
  type Served,
  type Target,
  type Usage,
} from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import {
  addUsage,
  encodeAnswer,
  encodeEmbeddings,
  estimateInputs,
  estimatePrompt,
  TokenMeter,
  type AnswerIdentity,
  type ChatAnswer,
} from '@tunan/llm';
import type { Logger } from '@tunan/service-kit';
import { decodeAnswer, type DecodedAnswer } from '../domain/decode-answer.js';
import type { ChatCall } from '../domain/dialect.js';
import { decodeEmbeddings, encodeEmbeddingsCall, inputBatches } from '../domain/embeddings.js';
import { encodeChat, type EncodedChat } from '../domain/encode-chat.js';
import { StopCutter } from '../domain/stop-cutter.js';
import { providerFault } from '../domain/vendor-error.js';
import type { ProviderMetrics } from './connector-metrics.js';
import { mapBounded } from './map-bounded.js';
import { openCompletions } from './completions.js';
import { madeCallId, StreamCall, type StreamObserver } from './stream-call.js';
import { UnaryCall } from './unary-call.js';
import type { CallContext } from './upstream-call.js';

/** Batches of one embeddings request that are under way together. */
const BATCHES_AT_ONCE = 4;
/** What an image costs is the catalog's to know; estimates of this stage fill gaps that settlement closes. */
const NO_IMAGES = { imageTokens: 0, imageTokensMax: 0 };

/** Where an exchange without a target goes: a stage can be driven with an OpenAI SDK alone. */
const directTarget = (context: CallContext, model: string): Target => ({
  channel: `${context.dialect.id}.direct`,
  provider: context.dialect.id,
  upstreamModel: model,
  thinking: null,
  billsAfterCancel: false,
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
    const served = this.#served(target);
    const observer: StreamObserver = {
      completed: () => this.metrics.ended('completed'),
      failed: (fault) => this.#failed(exchange, target, fault),
      impossibleUsage: (raw) => this.#impossible(exchange, target, raw),
    };
    const open = (one: Exchange, choice: number): Promise<ExchangeReply> =>
      StreamCall.open(this.context, one, target, { served, identity, choice, encoded, observer });
    const completions = (exchange.body as ChatRequest).n ?? 1;
    return completions === 1
      ? open(exchange, 0)
      : openCompletions(exchange, completions, { identity, served, open });
  }

  async #unary(exchange: Exchange, target: Target): Promise<ExchangeReply> {
    const encoded = this.#encode(exchange, target);
    const completions = (exchange.body as ChatRequest).n ?? 1;
    if (completions === 1)
      return this.#unaryReply(exchange, target, [await this.#complete(exchange, target, encoded, 0)]);
    const choices = Array.from({ length: completions }, (_, choice) => choice);
    const decoded = await mapBounded(choices, completions, exchange, (choice, one) =>
      this.#complete(one, target, encoded, choice),
    );
    return this.#unaryReply(exchange, target, decoded);
  }

  /** One completion of a unary answer. */
  #complete(
    exchange: Exchange,
    target: Target,
    encoded: EncodedChat,
    choice: number,
  ): Promise<DecodedAnswer> {
    return UnaryCall.send(this.context, exchange, target, {
      path: this.context.dialect.chatPath,
      body: encoded.body,
      read: (body) => this.#decode(exchange, body, encoded, choice),
    });
  }

  #unaryReply(exchange: Exchange, target: Target, decoded: readonly DecodedAnswer[]): ExchangeReply {
    const answers: ChatAnswer[] = [];
    const meter = new TokenMeter();
    let usage: Usage | null = decoded[0]!.usage;
    for (const [index, one] of decoded.entries()) {
      answers.push(one.answer);
      meterAnswer(meter, one.answer);
      if (index > 0) usage = usage === null || one.usage === null ? null : addUsage(usage, one.usage);
      if (one.impossibleUsage !== undefined) this.#impossible(exchange, target, one.impossibleUsage);
    }
    const outputTokens = meter.tokens;
    const shown = usage ?? this.#estimatedUsage(exchange, answers.length, outputTokens);
    const body = encodeAnswer(this.#identity(exchange), answers, shown);
    return { kind: 'unary', served: this.#served(target), body, usage, outputTokens };
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
    const batches = inputBatches(request, embeddings.batchMax);
    const decoded = await mapBounded(batches, BATCHES_AT_ONCE, exchange, (batch, one) =>
      UnaryCall.send(this.context, one, target, {
        path: embeddings.path,
        body: encodeEmbeddingsCall(embeddings, target.upstreamModel, batch, request.dimensions),
        read: (body) => decodeEmbeddings(dialect, body, batch.length),
      }),
    );
    const counts = decoded.map(({ promptTokens }) => promptTokens);
    const prompt = counts.reduce<number | null>(
      (sum, count) => (sum === null || count === null ? null : sum + count),
      0,
    );
    const vectors = decoded.flatMap((batch) => batch.vectors);
    const body = encodeEmbeddings(
      request.model,
      vectors,
      request.encoding_format ?? 'float',
      prompt ?? estimateInputs(request).likely,
    );
    const usage = prompt === null ? null : { prompt, cachedPrompt: 0, completion: 0, reasoning: 0 };
    return { kind: 'unary', served: this.#served(target), body, usage, outputTokens: 0 };
  }

  #encode(exchange: Exchange, target: Target): EncodedChat {
    const call: ChatCall = {
      upstreamModel: target.upstreamModel,
      thinking: target.thinking,
      ceiling: exchange.ceiling,
      stream: exchange.stream,
      accountId: exchange.caller.accountId,
    };
    return encodeChat(this.context.dialect, exchange.body as ChatRequest, call);
  }

  #decode(exchange: Exchange, body: Buffer, encoded: EncodedChat, choice: number): DecodedAnswer {
    const decoded = decodeAnswer(this.context.dialect, body, {
      callsMax: encoded.toolCallsMax,
      newId: (index) => madeCallId(this.#identity(exchange), choice, index),
    });
    if (encoded.localStops.length === 0) return decoded;
    const cutter = new StopCutter(encoded.localStops);
    const content = cutter.push(decoded.answer.content) + cutter.flush();
    return cutter.stopped
      ? { ...decoded, answer: { ...decoded.answer, content, finishReason: 'stop' } }
      : decoded;
  }

  #identity(exchange: Exchange): AnswerIdentity {
    return {
      id: `chatcmpl-${exchange.requestId.replaceAll('-', '')}`,
      created: Math.floor(this.context.clock.nowMs() / 1_000),
      model: exchange.body.model,
    };
  }

  #served({ upstreamModel, channel }: Target): Served {
    return { provider: this.shownAs, upstreamModel, channel, attempts: 1, fallback: false };
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

const meterAnswer = (meter: TokenMeter, answer: ChatAnswer): void => {
  meter.add(answer.content);
  meter.add(answer.reasoning);
  for (const call of answer.toolCalls) meter.add(call.arguments);
};
