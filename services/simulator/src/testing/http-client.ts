import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';

/** An answer as it arrived. */
export interface Received {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly bytes: number;
  /** Whether the body ended in good form; if not, why. */
  readonly error: string | undefined;
}

/** How a call is made. */
export interface CallOptions {
  readonly method?: string;
  /** Bearer key; null sends none. */
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Goes away once the body received so far satisfies this. */
  readonly abortWhen?: (text: string) => boolean;
}

/** A new connection, one call, everything that came back. Rejects if not even a status did. */
export const call = (url: string, body: unknown, options: CallOptions = {}): Promise<Received> =>
  new Promise((resolve, reject) => {
    const key = options.key === undefined ? 'sim-test' : options.key;
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const request = httpRequest(url, {
      method: options.method ?? (body === undefined ? 'GET' : 'POST'),
      agent: false,
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(text !== undefined && { 'content-type': 'application/json' }),
        ...options.headers,
      },
    });
    // Once a response has begun, its own error says how it ended.
    let begun = false;
    request.on('error', (error) => {
      if (!begun) reject(error);
    });
    request.on('response', (response) => {
      begun = true;
      const parts: Buffer[] = [];
      const settle = (error: string | undefined): void =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(parts).toString('utf8'),
          bytes: parts.reduce((sum, part) => sum + part.length, 0),
          error,
        });
      response.on('data', (part: Buffer) => {
        parts.push(part);
        if (options.abortWhen?.(Buffer.concat(parts).toString('utf8')) === true) request.destroy();
      });
      response.on('end', () => settle(undefined));
      response.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
    });
    request.end(text);
  });

/** One event of a stream; comments are events without data. */
export interface SseEvent {
  readonly comment: string | undefined;
  readonly data: string | undefined;
}

/** The events of a whole stream, comments included. */
export const sseEvents = (text: string): readonly SseEvent[] =>
  text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) =>
      block.startsWith(':')
        ? { comment: block, data: undefined }
        : { comment: undefined, data: block.replace(/^data: /, '') },
    );

/** The JSON chunks of a stream, without comments and `[DONE]`. */
export const sseChunks = <Chunk>(text: string): readonly Chunk[] =>
  sseEvents(text)
    .filter(({ data }) => data !== undefined && data !== '[DONE]')
    .map(({ data }) => JSON.parse(data!) as Chunk);
