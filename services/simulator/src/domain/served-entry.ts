import type { ProviderId } from '@tunan/contracts';
import type { ConversationShape } from './message.js';
import type { Operation } from './script-book.js';
import type { TokenCount } from './usage.js';

/** How a call ended, as the provider sees it. */
export type Outcome = 'completed' | 'aborted_by_client' | 'cut_by_fault' | 'error' | 'stopped';

/** What was handed to the connection so far. Counted before it is written. */
export interface Delivered {
  chunks: number;
  outputTokens: number;
  reasoningTokens: number;
  /** Characters of content, thinking and tool arguments. */
  textChars: number;
  /** Bytes of the body. */
  bytes: number;
}

interface EntryOf {
  /** Position in the log, from 1, never reused. */
  readonly seq: number;
  /** RFC 3339, UTC, milliseconds. */
  readonly at: string;
  readonly requestId: string;
  readonly provider: ProviderId;
  readonly operation: Operation | 'unknown';
  readonly nonce: string | null;
}

/** A call came in. Written before anything is answered. */
export interface AcceptedEntry extends EntryOf {
  readonly event: 'accepted';
  /** What the caller calls the request: `x-tunan-request-id`, `x-client-request-id` or `x-request-id`. */
  readonly clientRequestId: string | null;
  readonly method: string;
  readonly path: string;
  /** Names of the request's headers, sorted. */
  readonly headerNames: readonly string[];
  /** Values of headers that say how the call was made. */
  readonly headers: Readonly<Record<string, string>>;
  /** The key if it is made up (`sim-…`, `bad…`), else the start of its SHA-256; null without one. */
  readonly key: string | null;
  readonly bodyBytes: number;
  readonly model: string | null;
  readonly stream: boolean;
  /** Every member of the body except messages and input, as received; values over 16 KiB only by size and digest. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly conversation: ConversationShape | null;
  readonly inputs: number | null;
  /** What directives and script asked for, and the script's id. */
  readonly behaviour: Readonly<Record<string, unknown>> | null;
  readonly script: string | null;
}

/** An answer begins. Written before its headers; says all that would be sent. */
export interface AnsweringEntry extends EntryOf {
  readonly event: 'answering';
  readonly tokens: TokenCount;
  readonly finishReasons: readonly (string | null)[];
}

/** A call is over. Written before the last bytes if it was served whole. */
export interface EndedEntry extends EntryOf {
  readonly event: 'ended';
  readonly outcome: Outcome;
  readonly status: number | null;
  /** The provider's error code, where one was sent. */
  readonly errorCode: string | null;
  /** The finish reason that was sent, if any. */
  readonly finishReason: string | null;
  readonly delivered: Readonly<Delivered>;
  /** The usage as it was sent: JSON, or the text if it was not JSON; null if none was. */
  readonly reported: unknown;
  /** What the provider charges for the call; null for errors and calls that have no tokens. */
  readonly billed: TokenCount | null;
  /** Output tokens after which the caller went away; null if it did not. */
  readonly cancelledAtToken: number | null;
  readonly durationMs: number;
}

/** The caller went away after the entry `ended` and before it had taken all bytes. */
export interface UndeliveredEntry extends EntryOf {
  readonly event: 'undelivered';
}

/** One line of the log. */
export type ServedEntry = AcceptedEntry | AnsweringEntry | EndedEntry | UndeliveredEntry;

type Draft<Entry> = Entry extends ServedEntry ? Omit<Entry, 'seq' | 'at'> : never;

/** A line before it has its place in the log. */
export type DraftEntry = Draft<ServedEntry>;
