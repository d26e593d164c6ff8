import type { ProviderId } from '@tunan/contracts';
import type { Answer } from '../domain/answer.js';
import type { Ask } from '../domain/ask.js';
import type { Behaviour } from '../domain/behaviour.js';
import type { Operation } from '../domain/script-book.js';
import { steps, type Step } from '../domain/steps.js';
import { usageJson, type TokenCount } from '../domain/usage.js';

/** A whole answer: an error, a list of models. */
export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** The provider's own code of an error, for the log. */
  readonly code: string | null;
}

/** A request that the provider refuses. */
export class Refusal extends Error {
  constructor(readonly reply: Reply) {
    super(reply.body);
  }
}

/** One piece of a body that is never split unless a fault says so. */
export interface Frame {
  readonly text: string;
  /** Output tokens that it delivers; 0 for frames that carry no output. */
  readonly tokens: number;
  readonly reasoningTokens: number;
  /** Characters of output in it. */
  readonly chars: number;
  readonly finish?: string;
  /** JSON of the usage in it. */
  readonly usage?: string;
  /** Nothing follows. */
  readonly last?: boolean;
}

/** A JSON body and the usage in it, as JSON. */
export interface WholeBody {
  readonly text: string;
  readonly usage: string | undefined;
}

/** One call that is about to be answered: everything a dialect needs to write it down. */
export interface Generation {
  readonly requestId: string;
  /** Unix time in seconds. */
  readonly createdS: number;
  readonly seed: number;
  readonly ask: Ask;
  readonly answers: readonly Answer[];
  readonly tokens: TokenCount;
  readonly behaviour: Behaviour;
  readonly stamp: (() => string) | undefined;
}

/** An embeddings request after its checks. */
export interface EmbeddingAsk {
  readonly model: string;
  readonly inputs: readonly string[];
  readonly dimensions: number;
}

/** How a provider that has embeddings takes and gives them. */
export interface EmbeddingsDialect {
  /** @throws Refusal as the provider would refuse it */
  read(body: Record<string, unknown>, context: ErrorContext): EmbeddingAsk;
  /** Members of the usage. */
  usage(promptTokens: number): Readonly<Record<string, unknown>>;
  body(ask: EmbeddingAsk, data: readonly unknown[], usage: string | undefined, requestId: string): string;
}

/** What an error reply depends on besides its code. */
export interface ErrorContext {
  readonly requestId: string;
  readonly createdS: number;
  /** Whether the call asked for a stream. */
  readonly stream: boolean;
  /** Overrides the status that goes with the code. */
  readonly status?: number | undefined;
}

/** One provider's API: paths, checks, shapes and errors. Pure: text in, text out. */
export interface Dialect {
  readonly provider: ProviderId;
  /** First part of its paths on the simulator. */
  readonly prefix: string;
  /** Whether it charges for the whole answer although the caller went away. */
  readonly billsAfterCancel: boolean;
  /** Time after which a JSON answer is sent as far as it is, as if that were all; absent where it is awaited. */
  readonly unaryMsMax?: number;
  readonly streamContentType: string;
  /** The call that a method and a path (with the prefix) are; undefined if there is none. */
  operation(method: string, path: string): Operation | undefined;
  /** Headers of every answer. */
  headers(requestId: string): Record<string, string>;
  /** The answer to a call without a key, or with the key `bad`; undefined if the key may pass. */
  refuseKey(key: string | undefined, context: ErrorContext): Reply | undefined;
  /** The answer for one of the provider's own codes. Codes it does not know get its envelope and status 400. */
  error(code: string, context: ErrorContext): Reply;
  /** The answer for an HTTP status. */
  errorOfStatus(status: number, context: ErrorContext): Reply;
  /** @throws Refusal as the provider would refuse it */
  readChat(body: Record<string, unknown>, context: ErrorContext): Ask;
  readonly embeddings: EmbeddingsDialect | undefined;
  /** Body of the list of models, and of the balance where there is one. */
  list(operation: Operation): unknown;
  chatBody(generation: Generation): WholeBody;
  chatFrames(generation: Generation): Iterable<Frame>;
  /** The frames by which a stream that has begun fails; its tokens are what was sent until then. */
  streamFailure(generation: Generation, code: string | undefined): Iterable<Frame>;
}

/** An error reply with a JSON body. */
export const jsonReply = (status: number, body: unknown, code: string | null): Reply => ({
  status,
  contentType: 'application/json',
  body: JSON.stringify(body),
  code,
});

/** The steps of a generation. */
export const stepsOf = (generation: Generation, wholeToolCalls = false): Iterable<Step> =>
  steps(generation.answers, {
    chunkTokens: generation.behaviour.chunk_tokens ?? 1,
    wholeToolCalls,
    stamp: generation.stamp,
  });

/** The usage that a generation reports, as JSON; undefined if it reports none. */
export const reportedUsage = (
  generation: Generation,
  shape: (tokens: TokenCount) => Readonly<Record<string, unknown>>,
): string | undefined => usageJson(shape(generation.tokens), generation.behaviour.usage);
