import type { Fault } from '@tunan/kernel';
import type { ChannelTimeouts } from '../catalog/catalog.js';
import type { Operation } from '../control/hold.js';
import type { ChatRequest, EmbeddingsRequest } from '../openai/chat.js';
import type { ProviderId } from '../services.js';
import type { ReportedUsage } from '../usage.js';

/** Where one attempt goes: the channel that the router chose, as far as a connector needs to know it. */
export interface Target {
  readonly channel: string;
  readonly provider: ProviderId;
  readonly upstreamModel: string;
  /** The thinking switch that must be sent; null sends none. */
  readonly thinking: boolean | null;
  readonly billsAfterCancel: boolean;
  /** Largest ceiling of a unary call that the provider is not asked to stream. */
  readonly unstreamedTokensMax: number;
  readonly timeouts: ChannelTimeouts;
}

/** What a stage may know of the customer. Never the key. */
export interface Caller {
  readonly accountId: string;
  readonly tier: 'free' | 'paid';
}

/**
 * One request on its way through the data plane. Immutable: failover encodes it again for another provider.
 * Between processes the same facts are the OpenAI request and `x-tunan-*` headers.
 */
export interface Exchange {
  readonly requestId: string;
  readonly operation: Operation;
  /** Validated body; `model` is the public id, aliases are resolved. */
  readonly body: ChatRequest | EmbeddingsRequest;
  readonly stream: boolean;
  /** Output tokens that each completion may have; the connector enforces it. */
  readonly ceiling: number;
  /** Whether the client asked for the usage chunk: content chunks then carry `usage: null`. */
  readonly includeUsage: boolean;
  /** Parameters must be sent as they were given: only channels that do so may serve the request. */
  readonly strictParameters: boolean;
  /** Latest end, as a monotonic time of this process, in milliseconds. */
  readonly deadlineMs: number;
  /** Aborted when the client went away. The connector then drains or cancels, and still ends the body. */
  readonly signal: AbortSignal;
  readonly traceparent: string | undefined;
  readonly caller: Caller;
  /** Set by the router; without it a connector takes `body.model` as the upstream model. */
  readonly target: Target | undefined;
}

/** What served a request; shown as `x-tunan-*` response headers. */
export interface Served {
  /** Provider shown to the client: its id, or `simulator`. */
  readonly provider: string;
  readonly upstreamModel: string;
  readonly channel: string;
  readonly attempts: number;
  readonly fallback: boolean;
  /** Parameters that were not sent as they were given (`frequency_penalty=ignored, temperature=1.0`), if any. */
  readonly adapted?: string;
}

/** Receives a streamed body. Calls come in this order: `frames`*, `usage`?, then exactly one of `end` and `fail`. */
export interface ReplySink {
  /**
   * Whole SSE frames exactly as the client must see them.
   * @param outputTokens estimated tokens of the text in these frames, for renewals and estimates
   * @returns false if the receiver is full: the sender pauses until {@link ReplyStream.resume}
   */
  frames(bytes: Buffer, outputTokens: number): boolean;
  /**
   * What the provider reported, once, before `end`; null if it never did. `frame` is the usage chunk, whose JSON ends
   * with `"usage":{…}}` so that its figures can be replaced and the cost spliced in.
   */
  usage(usage: ReportedUsage | null, frame: Buffer): void;
  /** The answer is whole. `[DONE]` is the receiver's to write, after settlement. */
  end(): void;
  /** The answer ends here and is not whole; `client_closed` if that is the client's doing. */
  fail(fault: Fault): void;
}

/** A streamed body that waits for its receiver. */
export interface ReplyStream {
  /** Starts the flow; call it once. What came before is delivered first. */
  start(sink: ReplySink): void;
  /** Ends a pause that `frames` asked for. */
  resume(): void;
}

/** An answer. A fault before any content is a rejected promise of {@link ExchangeHandler.handle} instead. */
export type ExchangeReply = { readonly served: Served } & (
  | {
      readonly kind: 'unary';
      /** What a large answer begins with, in pieces that nobody puts together. */
      readonly head?: readonly Buffer[];
      /** The JSON answer, or its end: it ends with `"usage":{…}}` so that its cost can be spliced in. */
      readonly body: Buffer;
      /** What the provider reported, or null. */
      readonly usage: ReportedUsage | null;
      /** Estimated output tokens of the answer, for the case that `usage` is null. */
      readonly outputTokens: number;
    }
  | { readonly kind: 'stream'; readonly body: ReplyStream }
);

/**
 * One stage of the data plane. Resolves once content or a fault is known; the body follows. Injection token and type.
 */
export abstract class ExchangeHandler {
  /** @throws Fault if no content came */
  abstract handle(exchange: Exchange): Promise<ExchangeReply>;
}
