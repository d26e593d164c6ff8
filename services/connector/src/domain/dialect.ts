import type { ChatRequest, ProviderId } from '@tunan/contracts';
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
}

/** How a parameter is sent: its new value, or undefined to leave it out. */
export type FieldRule = (value: unknown, call: ChatCall) => unknown;

/** What a provider makes of `tool_choice`, and what has to be said in words because it has no way to send it. */
export interface ToolChoicePlan {
  /** Value of `tool_choice`; undefined leaves it out. */
  readonly send?: unknown;
  /** Only this tool is offered. */
  readonly only?: string;
  /** No tool is offered. */
  readonly none?: boolean;
  /** Instruction for the model. */
  readonly instruct?: string;
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
 * An OpenAI-compatible vendor, as data: what differs from OpenAI, and nothing else. Vendor phrases stand in the
 * vendor's own file only.
 */
export interface Dialect {
  readonly id: ProviderId;
  /** Default base URL, without a trailing slash. */
  readonly baseUrl: string;
  /** Path of the API below the base URL that a simulator has for this provider. */
  readonly simulatorPath: string;
  readonly chatPath: string;
  readonly embeddings: EmbeddingsDialect | null;
  /** Parameters that are sent, by their OpenAI name. Everything else is left out. */
  readonly fields: Readonly<Record<string, { readonly as?: string; readonly value: FieldRule }>>;
  /** The field that bounds all output of a model, thinking included, and its largest value. */
  readonly ceiling: { readonly field: (upstreamModel: string) => string; readonly max: number };
  /** Members that switch thinking. */
  readonly thinking: (on: boolean) => Readonly<Record<string, unknown>>;
  /** Members that every chat call has. */
  readonly extra: (request: ChatRequest, call: ChatCall) => Readonly<Record<string, unknown>>;
  /** Stop sequences that the provider honours; more are cut here. */
  readonly stopsMax: number;
  /** True if usage comes in streams only where `stream_options.include_usage` asks for it. */
  readonly asksForUsage: boolean;
  readonly messages: {
    /** True if system messages must be one, at the beginning. */
    readonly systemFirst: boolean;
    /** True if a prompt without a user message is refused. */
    readonly userRequired: boolean;
    /** What becomes of the thinking in earlier answers. */
    readonly reasoning: 'drop' | 'keep' | 'with-tool-calls';
  };
  /** Whether `response_format: json_object` can be sent with this call. */
  readonly jsonMode: (call: ChatCall) => boolean;
  /** True if the provider obeys `parallel_tool_calls`, which is then always sent. */
  readonly parallelToolCalls: boolean;
  readonly toolChoice: (choice: unknown, toolNames: readonly string[], call: ChatCall) => ToolChoicePlan;
  /** Finish reasons beyond OpenAI's. A fault code: the answer failed. */
  readonly finishReasons: Readonly<Record<string, FinishReason | FaultCode>>;
  /** The failure that a frame or body of a successful answer carries; null if it carries none. */
  readonly inBandError: (frame: Readonly<Record<string, unknown>>) => VendorError | null;
  readonly classify: Classify;
}

/** Sends a parameter as it is. */
export const asGiven: { readonly value: FieldRule } = { value: (value) => value };

/** Sends a number, moved into the range that the provider takes. */
export const clamped = (min: number, max: number): { readonly value: FieldRule } => ({
  value: (value) => (typeof value === 'number' ? Math.min(max, Math.max(min, value)) : undefined),
});

/** Sends a parameter under another name. */
export const renamed = (
  as: string,
  value: FieldRule,
): { readonly as: string; readonly value: FieldRule } => ({ as, value });

/** Says in words which function must be called, for providers that can't be told otherwise. */
export const mustCall = (name: string | undefined): string =>
  name === undefined ? 'Answer by calling one of the functions.' : `Answer by calling the function ${name}.`;

/** The function that a `tool_choice` names. */
export const namedFunction = (choice: unknown): string | undefined => {
  const name = (choice as { readonly function?: { readonly name?: unknown } } | null)?.function?.name;
  return typeof name === 'string' ? name : undefined;
};
