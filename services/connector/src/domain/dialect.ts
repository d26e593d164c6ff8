import type { ProviderId } from '@tunan/contracts';
import type { FaultCode } from '@tunan/kernel';
import type { FinishReason } from '@tunan/llm';
import type { Classify, VendorError } from './vendor-error.js';

/** One chat call, as far as its encoding depends on it. */
export interface ChatCall {
  readonly upstreamModel: string;
  /** The thinking switch that must be sent; null sends none. */
  readonly thinking: boolean | null;
  /** Output tokens that the completion may have, thinking included. */
  readonly ceiling: number;
  readonly stream: boolean;
  /** Keeps the users of one customer apart from those of another. */
  readonly accountId: string;
  /** Parameters must be sent as they were given. */
  readonly strict: boolean;
}

/** Embeddings of a provider. */
export interface EmbeddingsDialect {
  readonly path: string;
  /** Inputs of one call. */
  readonly batchMax: number;
  /** Members that every call has. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/**
 * An OpenAI-compatible vendor, as data: what differs from OpenAI, and nothing else. Which parameters it honours stands
 * in the capability table; vendor phrases stand in the vendor's own file only.
 */
export interface Dialect {
  readonly id: ProviderId;
  /** Default base URL, without a trailing slash. */
  readonly baseUrl: string;
  /** Path of the API below the base URL that a simulator has for this provider. */
  readonly simulatorPath: string;
  readonly chatPath: string;
  readonly embeddings: EmbeddingsDialect | null;
  /** Member that tells the end user, for providers that have one. */
  readonly userField: string | null;
  /** The field that bounds all output of a model, thinking included, and its largest value. */
  readonly ceiling: { readonly field: (upstreamModel: string) => string; readonly max: number };
  /** Members that switch thinking. */
  readonly thinking: (on: boolean) => Readonly<Record<string, unknown>>;
  /** Members that a chat call has besides those of a body. */
  readonly extra: (body: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;
  /** True if usage comes in streams only where `stream_options.include_usage` asks for it. */
  readonly asksForUsage: boolean;
  /** Names that no function may have there: such a function gets another on the way, and its own on the way back. */
  readonly reservedToolNames: readonly string[];
  readonly messages: {
    /** True if system messages must be one, at the beginning. */
    readonly systemFirst: boolean;
    /** True if a prompt without a user message is refused. */
    readonly userRequired: boolean;
    /** What becomes of the thinking in earlier answers. */
    readonly reasoning: 'drop' | 'keep' | 'with-tool-calls';
  };
  /** Finish reasons beyond OpenAI's. A fault code: the answer failed. */
  readonly finishReasons: Readonly<Record<string, FinishReason | FaultCode>>;
  /** The failure that a frame or body of a successful answer carries; null if it carries none. */
  readonly inBandError: (frame: Readonly<Record<string, unknown>>) => VendorError | null;
  /** True if an error is about the answer: it was filtered, which ends it and is no failure. */
  readonly filtersAnswer: (error: VendorError) => boolean;
  /** True if the frame or body that ends an answer says elsewhere than in its finish reason that it was filtered. */
  readonly flagsFiltered: (frame: Readonly<Record<string, unknown>>) => boolean;
  readonly classify: Classify;
}
