import { request } from 'undici';
import type { Dialect } from '../domain/dialect.js';
import { readErrorBody, readErrorObject, type VendorError } from '../domain/vendor-error.js';
import type { Endpoint } from '../edges/provider-transport.js';

/** A provider's own answer, unread by the connector. */
export interface LiveAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** Undefined if the body is no JSON object. */
  readonly json: Readonly<Record<string, unknown>> | undefined;
  /** What went wrong, wherever it is said; null if nothing did. */
  readonly error: VendorError | null;
}

const TIMEOUT_MS = 60_000;

/** One provider as it is, for probes that ask it about itself. */
export class LiveProvider {
  /** Answers so far that asked to come back later. */
  readonly turnedAway: LiveAnswer[] = [];

  constructor(
    private readonly endpoint: Endpoint,
    private readonly dialect: Dialect,
  ) {}

  /** Posts to a path of its API. @throws Error if nothing comes back within a minute */
  async post(path: string, body: Readonly<Record<string, unknown>>): Promise<LiveAnswer> {
    const { apiKey, baseUrl } = this.endpoint;
    const answer = await request(baseUrl + path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify(body),
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await answer.body.text();
    const { statusCode: status, headers } = answer;
    const json = parseObject(text);
    const live = { status, headers, text, json, error: errorOf(this.dialect, status, text, json) };
    if (status === 429 || status === 503) this.turnedAway.push(live);
    return live;
  }

  /** Asks a model something short. */
  chat(model: string, content: string, more: Readonly<Record<string, unknown>> = {}): Promise<LiveAnswer> {
    const messages = [{ role: 'user', content }];
    return this.post('/chat/completions', { model, messages, max_tokens: 64, ...more });
  }
}

const errorOf = (
  { inBandError }: Dialect,
  status: number,
  text: string,
  json: LiveAnswer['json'],
): VendorError | null => {
  if (status !== 200) return readErrorBody(status, text);
  if (json === undefined) return null;
  return (json['error'] == null ? null : readErrorObject(status, json)) ?? inBandError(json);
};

const parseObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
};

interface Choice {
  readonly message?: {
    readonly content?: string | null;
    readonly reasoning_content?: string;
    readonly tool_calls?: unknown;
  };
  readonly logprobs?: unknown;
}

/** The completions of an answer. */
export const choicesOf = ({ json }: LiveAnswer): readonly Choice[] =>
  Array.isArray(json?.['choices']) ? (json['choices'] as Choice[]) : [];

/** The text of an answer's first completion. */
export const contentOf = (answer: LiveAnswer): string => choicesOf(answer)[0]?.message?.content ?? '';
