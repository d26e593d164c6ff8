/** How long a client waits, in milliseconds; null where it does not say. */
export interface ClientTimeouts {
  /** Until our response headers: what an SDK's timeout bounds, never the length of a stream. */
  readonly headersMs: number | null;
  /** Between two reads of a stream. */
  readonly silenceMs: number | null;
  /** For the whole answer; then it is cut. */
  readonly totalMs: number | null;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

const SECONDS = /^\d{1,4}(?:\.\d{1,6})?$/;
export const SECONDS_MIN = 1;
export const SECONDS_MAX = 3_600;

const millisecondsOf = (header: string | string[] | undefined): number | null => {
  if (typeof header !== 'string' || !SECONDS.test(header)) return null;
  const seconds = Number(header);
  return seconds >= SECONDS_MIN && seconds <= SECONDS_MAX ? Math.round(seconds * 1_000) : null;
};

const shorter = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.min(a, b);

/**
 * Reads `X-Stainless-Timeout` (Node), `X-Stainless-Read-Timeout` (Python) and our own `x-tunan-timeout`, in seconds.
 * Values outside 1 to 3,600, or that are no plain decimal, are ignored.
 */
export const readClientTimeouts = (headers: Headers): ClientTimeouts => {
  const silenceMs = millisecondsOf(headers['x-stainless-read-timeout']);
  return {
    headersMs: shorter(millisecondsOf(headers['x-stainless-timeout']), silenceMs),
    silenceMs,
    totalMs: millisecondsOf(headers['x-tunan-timeout']),
  };
};

/** The way to the client takes time too: headers go out this long before it gives up. */
const MARGIN_MS_MAX = 1_000;

/** When something must have left here so that it arrives within `ms`. */
const inTime = (ms: number): number => ms - Math.min(ms / 4, MARGIN_MS_MAX);

/** Bounds of one answer, in milliseconds. */
export interface AnswerTimes {
  /** Longest time until the end, counted from the request's start. */
  readonly totalMs: number;
  /** Latest time of a stream's response headers, counted from the request's start. */
  readonly headersMs: number;
  /** Longest silence in a stream; then a comment is sent. */
  readonly keepAliveMs: number;
}

/**
 * What a client's patience makes of our own bounds. A unary answer that is not there when the client gives up is of no
 * use, so it ends before, with a status; a stream opens before, and may then take its time.
 */
export const answerTimes = (
  own: { readonly keepAliveMs: number; readonly exchangeMsMax: number },
  client: ClientTimeouts,
  stream: boolean,
): AnswerTimes => {
  const totalMs = Math.min(own.exchangeMsMax, client.totalMs ?? Infinity);
  const headersMs = client.headersMs === null ? Infinity : inTime(client.headersMs);
  return {
    totalMs: stream ? totalMs : Math.min(totalMs, headersMs),
    headersMs: Math.min(own.keepAliveMs, headersMs),
    keepAliveMs: Math.min(own.keepAliveMs, (client.silenceMs ?? Infinity) / 3),
  };
};
