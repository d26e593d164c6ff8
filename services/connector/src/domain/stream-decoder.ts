import type { ReportedUsage } from '@tunan/contracts';
import type { Fault } from '@tunan/kernel';
import {
  readUsage,
  saysSomething,
  SseReader,
  type ChatDelta,
  type FinishReason,
  type Logprobs,
} from '@tunan/llm';
import type { Dialect } from './dialect.js';
import { FILTERED_USAGE, isFailure, readFinishReason, shownReason } from './finish-reason.js';
import { FrameForm, onlyText } from './frame-form.js';
import { ToolCalls, type ToolCallOptions } from './tool-calls.js';
import {
  providerFault,
  readErrorBody,
  readErrorObject,
  vendorFault,
  type VendorError,
} from './vendor-error.js';
import { parseVendorJson } from './vendor-json.js';

/**
 * Where a stream stands. `finished`: the provider said why it ended, its usage may still come. `complete`: everything
 * has come. `failed`: see {@link StreamDecoder.fault}.
 */
export type StreamProgress = 'open' | 'finished' | 'complete' | 'failed';

const DONE = '[DONE]';
const NO_CALLS: readonly never[] = [];

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads one stream of a provider into deltas free of its dialect. One per attempt.
 *
 * The finish reason is held back: providers repeat it, send text with it, and report usage before, with or after it.
 * A stream without one is cut off, whatever else it ended with.
 */
export class StreamDecoder {
  readonly #reader = new SseReader((data, name) => this.#event(data, name));
  readonly #calls: ToolCalls;
  /** Of the last frame that was parsed and said nothing but its text. */
  #form: FrameForm | undefined;
  #progress: StreamProgress = 'open';
  #reason: FinishReason | undefined;
  /** A finish reason came that says nothing. */
  #blankReason = false;
  #spoke = false;
  #usage: ReportedUsage | null = null;
  #impossible: { readonly usage: ReportedUsage; readonly raw: unknown } | undefined;
  #fault: Fault | undefined;
  #stopped = false;

  /** @param onDelta called for each delta that says something */
  constructor(
    private readonly dialect: Dialect,
    calls: ToolCallOptions,
    private readonly onDelta: (delta: ChatDelta) => void,
  ) {
    this.#calls = new ToolCalls(calls);
  }

  get progress(): StreamProgress {
    return this.#progress;
  }

  /** Why the answer ended. Only after `finished`. */
  get finishReason(): FinishReason {
    return shownReason(this.#reason ?? 'stop', this.#calls.count);
  }

  /** What the provider reported; null while it has not. Figures that can be true count before those that can't. */
  get usage(): ReportedUsage | null {
    return this.#hasFigures ? this.#usage : (this.#impossible?.usage ?? this.#usage);
  }

  /** The usage object as it came if {@link usage} cannot be true, else undefined. */
  get impossibleUsage(): unknown {
    return this.#hasFigures ? undefined : this.#impossible?.raw;
  }

  /** Set once `failed`. */
  get fault(): Fault {
    return this.#fault ?? providerFault('upstream_stream_cut', `${this.dialect.id}: no finish reason`);
  }

  /** Takes the next bytes. Never throws: what can't be read fails the stream. */
  push(bytes: Buffer): void {
    try {
      this.#reader.push(bytes);
    } catch (cause) {
      this.#fail(providerFault('upstream_error', `${this.dialect.id}: ${String(cause)}`, { cause }));
    }
  }

  /** The connection ended. */
  end(): void {
    if (this.#ended) return;
    try {
      this.#reader.end();
    } catch (cause) {
      this.#fail(providerFault('upstream_error', `${this.dialect.id}: ${String(cause)}`, { cause }));
    }
    this.#close();
  }

  /**
   * The answer is ended here: nothing that follows is read. May be called from `onDelta`; the event at hand is read to its
   * end, for its usage.
   */
  stop(): void {
    this.#stopped = true;
  }

  get #ended(): boolean {
    return this.#stopped || this.#progress === 'complete' || this.#progress === 'failed';
  }

  #close(): void {
    if (this.#ended) return;
    if (this.#reason === undefined && this.#blankReason) this.#reason = 'stop';
    this.#progress = this.#reason === undefined ? 'failed' : 'complete';
  }

  /** Once the provider said why it ended the answer is whole, whatever fails after. */
  #fail(fault: Fault): void {
    if (this.#reason !== undefined) return this.#close();
    if (this.#ended) return;
    this.#fault = fault;
    this.#progress = 'failed';
  }

  #event(data: string, name: string): void {
    if (this.#ended || data === '') return;
    if (data === DONE) return this.#close();
    if (name === 'error') return this.#vendorError(readErrorBody(200, data));
    const text = this.#form?.textOf(data);
    if (text !== undefined) return this.onDelta(textDelta(this.#form!, text));
    let frame: unknown;
    try {
      frame = parseVendorJson(data);
    } catch {
      frame = undefined;
    }
    if (typeof frame === 'object' && frame !== null) this.#frame(frame as Json, data);
    else
      this.#fail(providerFault('upstream_stream_cut', `${this.dialect.id}: an event is not a JSON object`));
  }

  #frame(frame: Json, data: string): void {
    if (frame['error'] != null) {
      const error = readErrorObject(200, frame);
      if (error !== null) return this.#vendorError(error, frame);
    }
    const inBand = this.dialect.inBandError(frame);
    if (inBand !== null) return this.#vendorError(inBand, frame);
    const choices = frame['choices'];
    const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
    if (typeof choice === 'object' && choice !== null) this.#choice(choice as Json, frame);
    if (frame['usage'] != null) this.#readUsage(frame['usage']);
    // Zero may be a placeholder that the real figures follow, so it alone completes nothing.
    if (this.#progress === 'finished' && this.#hasFigures) this.#progress = 'complete';
    const member = onlyText(frame);
    if (member !== undefined) this.#form = FrameForm.of(data, member) ?? this.#form;
  }

  #choice(choice: Json, frame: Json): void {
    // Such a frame repeats the whole answer: its text counts only if there has been none before.
    const whole = frame['object'] === 'chat.completion';
    const delta = whole ? (this.#spoke ? null : choice['message']) : choice['delta'];
    if (typeof delta === 'object' && delta !== null) this.#delta(delta as Json, choice['logprobs']);
    const word = choice['finish_reason'];
    if (word === '') this.#blankReason = true;
    if (typeof word !== 'string' || word === '') return;
    const end = readFinishReason(word, this.dialect);
    if (isFailure(end)) return this.#fail(providerFault(end, `${this.dialect.id}: finish reason ${word}`));
    this.#reason = this.dialect.flagsFiltered(frame) ? 'content_filter' : end;
    if (this.#progress === 'open') this.#progress = 'finished';
  }

  #delta(raw: Json, logprobs: unknown): void {
    const delta = {
      content: text(raw['content']),
      reasoning: text(raw['reasoning_content']),
      refusal: text(raw['refusal']),
      toolCalls: raw['tool_calls'] == null ? NO_CALLS : this.#calls.read(raw['tool_calls']),
      logprobs: logprobs == null ? null : readLogprobs(logprobs),
    };
    if (!saysSomething(delta)) return;
    this.#spoke = true;
    this.onDelta(delta);
  }

  #readUsage(raw: unknown): void {
    const usage = readUsage(raw);
    if (usage === null) return;
    if (usage.impossible === true) this.#impossible = { usage, raw };
    else if (this.#usage === null || usage.prompt + usage.completion > 0) this.#usage = usage;
  }

  /** More than a placeholder was reported, and it can be true. */
  get #hasFigures(): boolean {
    return this.#usage !== null && this.#usage.prompt + this.#usage.completion > 0;
  }

  /** A filter that stops an answer is its end. Before any content it refuses the request, unless it says otherwise. */
  #vendorError(error: VendorError, frame: Json = {}): void {
    const fault = vendorFault(this.dialect.id, error, this.dialect.classify);
    const filtered = this.#spoke ? fault.code === 'content_filter' : this.dialect.filtersAnswer(error);
    if (!filtered) return this.#fail(fault);
    if (!this.#spoke) {
      this.#readUsage(frame['usage']);
      this.#usage ??= FILTERED_USAGE;
    }
    this.#reason = 'content_filter';
    this.#progress = 'complete';
  }
}

const textDelta = ({ member }: FrameForm, text: string): ChatDelta => ({
  content: member === 'content' ? text : '',
  reasoning: member === 'reasoning_content' ? text : '',
  refusal: '',
  toolCalls: NO_CALLS,
  logprobs: null,
});

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Log probabilities in OpenAI's shape; null if there are none. */
export const readLogprobs = (raw: unknown): Logprobs | null => {
  if (typeof raw !== 'object' || raw === null) return null;
  const { content, refusal } = raw as { readonly content?: unknown; readonly refusal?: unknown };
  if (!Array.isArray(content) && !Array.isArray(refusal)) return null;
  return {
    content: Array.isArray(content) ? content : null,
    refusal: Array.isArray(refusal) ? refusal : null,
  };
};
