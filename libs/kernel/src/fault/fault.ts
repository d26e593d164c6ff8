import { FAULTS, isFaultCode, type FaultCode, type FaultSpec } from './faults.js';

/** Longest name of a client's making that is shown to it. */
const NAME_CHARS_SHOWN = 200;
/** Longest message: the last resort against an answer, or a log, as large as the body that was refused. */
const MESSAGE_CHARS_MAX = 4_000;

/** A name of a client's making as a message may show it: cut, because it may be as large as a body. */
export const shownName = (name: string): string => cut(name, NAME_CHARS_SHOWN);

const cut = (text: string, charsMax: number): string =>
  text.length <= charsMax ? text : `${text.slice(0, charsMax - 1).toWellFormed()}…`;

/** Optional facts of a {@link Fault}. */
export interface FaultOptions {
  /** For logs only: may name providers, hosts and causes. */
  readonly internal?: string;
  readonly cause?: unknown;
  /** The request member at fault, in the notation of OpenAI (`messages[0].role`). */
  readonly param?: string;
  /** Milliseconds after which the same request may succeed; becomes `Retry-After` and `retry-after-ms`. */
  readonly retryAfterMs?: number;
  /** Overrides the table's `x-should-retry`. */
  readonly shouldRetry?: boolean;
}

/** A fault as it crosses a process. The internal text stays behind. */
export interface FaultWire {
  readonly fault: string;
  readonly message: string;
  readonly param?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

/**
 * A failure with two audiences: `publicMessage` may be shown to the caller, `message` is for us. What is shown has a bound:
 * 4,000 characters, and 200 of `param`.
 * A denial (limit, credit) is a value, not a Fault, until the edge turns it into an answer.
 */
export class Fault extends Error {
  readonly publicMessage: string;
  readonly param: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly #shouldRetry: boolean | undefined;

  constructor(
    readonly code: FaultCode,
    publicMessage: string,
    options: FaultOptions = {},
  ) {
    // A client's own faults are answers and no defects: nobody reads where they were made, and to find that out costs
    // more than the rest of a refusal.
    const { stackTraceLimit } = Error;
    if (FAULTS[code].owner === 'client') Error.stackTraceLimit = 0;
    const shown = cut(publicMessage, MESSAGE_CHARS_MAX);
    super(options.internal ?? shown, { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'Fault';
    this.publicMessage = shown;
    this.param = options.param === undefined ? undefined : shownName(options.param);
    this.retryAfterMs = options.retryAfterMs;
    this.#shouldRetry = options.shouldRetry;
  }

  /** The row of the fault table. */
  get spec(): FaultSpec {
    return FAULTS[this.code];
  }

  /** Value of `x-should-retry`, or undefined to leave the header out. */
  get shouldRetry(): boolean | undefined {
    return this.#shouldRetry ?? this.spec.shouldRetry;
  }

  /** What another process may learn of this fault. */
  toWire(): FaultWire {
    return {
      fault: this.code,
      message: this.publicMessage,
      param: this.param,
      retryAfterMs: this.retryAfterMs,
    };
  }

  /** Rebuilds a fault that another process sent; a code that this version does not know becomes `internal_error`. */
  static fromWire(wire: FaultWire): Fault {
    const options = {
      ...(wire.param === undefined ? {} : { param: wire.param }),
      ...(wire.retryAfterMs === undefined ? {} : { retryAfterMs: wire.retryAfterMs }),
    };
    return isFaultCode(wire.fault)
      ? new Fault(wire.fault, wire.message, options)
      : new Fault('internal_error', 'Internal error.', {
          ...options,
          internal: `unknown fault ${wire.fault}`,
        });
  }

  /** Passes a Fault through and wraps anything else as `internal_error`, keeping the cause for the log. */
  static from(error: unknown): Fault {
    if (error instanceof Fault) return error;
    const internal = error instanceof Error ? error.message : String(error);
    return new Fault('internal_error', 'Internal error. The request was not charged.', {
      internal,
      cause: error,
    });
  }
}
