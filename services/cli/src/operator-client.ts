import { request } from 'undici';
import { CommandError } from './errors.js';
import type { Platform } from './find-platform.js';

/** Above everything that the operator API waits for. */
const TIMEOUT_MS = 30_000;

interface ErrorAnswer {
  readonly error?: { readonly message?: unknown; readonly param?: unknown };
}

/** What people typed where the API has another name for it. */
const OPTIONS: Readonly<Record<string, string>> = {
  amountUsd: '--amount',
  account: '--account',
  document: 'the file',
  capUsd: '--cap',
  creditUsd: '--credit',
  displayName: '--name',
  expiresAt: '--expires',
};

/** Calls the operator API. Whatever goes wrong is a {@link CommandError} with one line that says what to do. */
export class OperatorClient {
  constructor(
    private readonly platform: Platform,
    private readonly timeoutMs: number = TIMEOUT_MS,
  ) {}

  get<Answer>(path: string, query: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const search = new URLSearchParams(query).toString();
    return this.#call('GET', search === '' ? path : `${path}?${search}`, undefined);
  }

  /** Members of `body` that are undefined are not sent. */
  post<Answer>(path: string, body: object): Promise<Answer> {
    return this.#call('POST', path, JSON.stringify(body));
  }

  patch<Answer>(path: string, body: object): Promise<Answer> {
    return this.#call('PATCH', path, JSON.stringify(body));
  }

  async #call<Answer>(
    method: 'GET' | 'POST' | 'PATCH',
    path: string,
    body: string | undefined,
  ): Promise<Answer> {
    const { opsUrl, operatorToken } = this.platform;
    let status: number;
    let text: string;
    try {
      // Not `fetch`, which refuses some ports.
      const response = await request(`${opsUrl}/operator/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${operatorToken}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body: body ?? null,
        signal: AbortSignal.timeout(this.timeoutMs),
      });
      status = response.statusCode;
      text = await response.body.text();
    } catch (error) {
      throw unreachable(opsUrl, this.timeoutMs, error as Error);
    }
    return this.#read<Answer>(status, text);
  }

  #read<Answer>(status: number, text: string): Answer {
    const { opsUrl } = this.platform;
    let answer: unknown;
    try {
      answer = JSON.parse(text);
    } catch {
      throw new CommandError(
        `${opsUrl} answered with status ${status} and no JSON: it is not the platform's ops listener.`,
      );
    }
    if (status >= 200 && status < 300) return answer as Answer;
    const { message, param } = (answer as ErrorAnswer | null)?.error ?? {};
    const outcomeUnknown = status >= 500;
    if (typeof message !== 'string')
      throw new CommandError(`${opsUrl} answered with status ${status}.`, outcomeUnknown);
    if (status === 404 && message.startsWith('Invalid URL'))
      throw new CommandError(
        `${opsUrl} has no operator API: the platform is still starting, or runs without the account service.`,
      );
    const option = OPTIONS[String(param)];
    throw new CommandError(
      oneLine(option === undefined ? message : message.replace(String(param), option)),
      outcomeUnknown,
    );
  }
}

const oneLine = (text: string): string => text.replace(/[\s\p{Cc}]+/gu, ' ').trim();

const unreachable = (opsUrl: string, timeoutMs: number, error: Error): CommandError => {
  if (error.name === 'TimeoutError')
    return new CommandError(`The platform at ${opsUrl} did not answer within ${timeoutMs / 1_000} s.`, true);
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ECONNREFUSED'
    ? new CommandError(`The platform is not running: nothing listens at ${opsUrl}.`)
    : new CommandError(`The platform at ${opsUrl} cannot be reached: ${code ?? oneLine(message)}.`, true);
};
