import type { ReportedUsage } from '@tunan/contracts';
import { readUsage, type ChatAnswer } from '@tunan/llm';
import type { Dialect } from './dialect.js';
import { FILTERED_USAGE, isFailure, readFinishReason, shownReason } from './finish-reason.js';
import { readLogprobs } from './stream-decoder.js';
import { readToolCalls, type ToolCallOptions } from './tool-calls.js';
import { providerFault, readErrorObject, vendorFault } from './vendor-error.js';
import { parseVendorJson } from './vendor-json.js';

type Json = Readonly<Record<string, unknown>>;

/** What one unary call brought. */
export interface DecodedAnswer {
  readonly answer: ChatAnswer;
  /** Null if the provider reported none. */
  readonly usage: ReportedUsage | null;
  /** The usage object as it came if it cannot be true, else undefined. */
  readonly impossibleUsage: unknown;
}

/** The JSON of an answer. */
export interface AnswerJson {
  readonly json: Json;
  /** It says that the answer was filtered, and nothing else. */
  readonly filtered: boolean;
}

/**
 * Reads the JSON of an answer.
 * @throws Fault if it is none, or carries a failure; that the answer was filtered is none
 */
export const readAnswerJson = (dialect: Dialect, body: Buffer): AnswerJson => {
  const text = body.toString();
  // A provider that held the connection open with blank lines and never began.
  if (text.trim() === '') throw providerFault('upstream_overloaded', `${dialect.id}: an empty answer`);
  let value: unknown;
  try {
    value = parseVendorJson(text);
  } catch (cause) {
    throw providerFault('upstream_error', `${dialect.id}: ${body.length} bytes that are not JSON`, { cause });
  }
  if (typeof value !== 'object' || value === null)
    throw providerFault('upstream_error', `${dialect.id}: not an object`);
  const json = value as Json;
  const error = (json['error'] == null ? null : readErrorObject(200, json)) ?? dialect.inBandError(json);
  if (error !== null && !dialect.filtersAnswer(error)) throw vendorFault(dialect.id, error, dialect.classify);
  return { json, filtered: error !== null };
};

/**
 * Reads a whole chat answer.
 * @throws Fault if it is none, or a failure
 */
export const decodeAnswer = (dialect: Dialect, body: Buffer, calls: ToolCallOptions): DecodedAnswer => {
  const { json, filtered } = readAnswerJson(dialect, body);
  if (filtered) return filteredAnswer(json);
  const choice: unknown = Array.isArray(json['choices']) ? json['choices'][0] : undefined;
  const message = typeof choice === 'object' && choice !== null ? (choice as Json)['message'] : undefined;
  if (typeof message !== 'object' || message === null)
    throw providerFault('upstream_error', `${dialect.id}: an answer without a message`);
  const { finish_reason: word, logprobs } = choice as Json;
  const end = typeof word === 'string' ? readFinishReason(word, dialect) : 'stop';
  if (isFailure(end)) throw providerFault(end, `${dialect.id}: finish reason ${String(word)}`);
  const said = message as Json;
  const toolCalls = readToolCalls(said['tool_calls'], calls);
  const usage = readUsage(json['usage']);
  return {
    answer: {
      content: text(said['content']),
      reasoning: text(said['reasoning_content']),
      refusal: text(said['refusal']),
      toolCalls,
      logprobs: readLogprobs(logprobs),
      finishReason: dialect.flagsFiltered(json) ? 'content_filter' : shownReason(end, toolCalls.length),
    },
    usage,
    impossibleUsage: usage?.impossible === true ? json['usage'] : undefined,
  };
};

const filteredAnswer = (json: Json): DecodedAnswer => {
  const usage = readUsage(json['usage']) ?? FILTERED_USAGE;
  return {
    answer: {
      content: '',
      reasoning: '',
      refusal: '',
      toolCalls: [],
      logprobs: null,
      finishReason: 'content_filter',
    },
    usage,
    impossibleUsage: usage.impossible === true ? json['usage'] : undefined,
  };
};

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
