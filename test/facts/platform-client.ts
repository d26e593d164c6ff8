/** One answer of the platform, body included. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON, or undefined if it is none. */
  readonly json: unknown;
}

/** What a probe sends. */
export interface Probe {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: unknown;
  /** Another key than the account's; null sends none. */
  readonly key?: string | null;
}

/** Above every timeout of the platform that a short answer can meet. */
const CALL_TIMEOUT_MS = 60_000;

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Calls the public API with one account's key. */
export class PlatformClient {
  readonly #origin: string;

  /** @param apiUrl base URL of the public API, with or without `/v1` */
  constructor(
    apiUrl: string,
    private readonly apiKey: string,
  ) {
    this.#origin = apiUrl.replace(/\/+$/, '').replace(/\/v1$/, '');
  }

  /** Sends one request and reads the whole answer. */
  async call({ method, path, body, key = this.apiKey }: Probe): Promise<Answer> {
    const response = await fetch(`${this.#origin}${path}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parse(text) };
  }
}

/** Collects differences: one line each, beginning with the heading of the documentation that makes the promise. */
export class Differences {
  readonly lines: string[] = [];

  /** Notes a difference unless `actual` and `expected` have the same JSON. */
  equal(at: string, what: string, actual: unknown, expected: unknown): void {
    if (JSON.stringify(actual) !== JSON.stringify(expected)) this.add(at, what, actual, expected);
  }

  /** Notes a difference unless `holds`. */
  holds(at: string, what: string, holds: boolean, actual: unknown, expected: string): void {
    if (!holds) this.add(at, what, actual, expected);
  }

  add(at: string, what: string, actual: unknown, expected: unknown): void {
    this.lines.push(`${at}: ${what} is ${JSON.stringify(actual)}, documented ${JSON.stringify(expected)}`);
  }
}

/** A member of a JSON value by path, or undefined. */
export const member = (value: unknown, ...path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>(
    (inner, part) =>
      typeof inner === 'object' && inner !== null
        ? (inner as Record<string | number, unknown>)[part]
        : undefined,
    value,
  );
