import {
  createServer,
  STATUS_CODES,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { errorBody, Fault, type FaultCode } from '@tunan/kernel';
import { sendFault } from './error-response.js';

/** Answers requests below a path prefix. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Bounds of a listener. */
export interface ListenerOptions {
  readonly name: string;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Longest time for a whole request to arrive, in milliseconds: a slow body is answered 408. */
  readonly requestTimeoutMs: number;
}

const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_TIMEOUT_MS = 15_000;
const TIMEOUT_CHECK_MS = 2_000;
/** Above the idle timeout of common load balancers (60 s), so that they, not we, close an idle connection. */
const KEEP_ALIVE_MS = 75_000;
const IDLE_SWEEP_MS = 100;

/** A port cannot be listened on. */
export class ListenError extends Error {}

/**
 * One HTTP listener of the process. Requests go to the handler of the longest matching prefix; what no handler takes,
 * and what is not HTTP at all, is answered with the OpenAI error object.
 */
export class Listener {
  readonly #server: Server;
  readonly #routes: { readonly prefix: string; readonly handle: RequestHandler }[] = [];

  #open = false;

  constructor(private readonly options: ListenerOptions) {
    this.#server = createServer(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: options.requestTimeoutMs,
        connectionsCheckingInterval: TIMEOUT_CHECK_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        noDelay: true,
      },
      (request, response) => this.#dispatch(request, response),
    );
    this.#server.on('clientError', answerClientError);
  }

  get name(): string {
    return this.options.name;
  }

  /** Adds a handler. Prefixes end at a path border: `/v1` takes `/v1` and `/v1/x`, not `/v10`. */
  mount(prefix: string, handle: RequestHandler): void {
    this.#routes.push({ prefix, handle });
    this.#routes.sort((a, b) => b.prefix.length - a.prefix.length);
  }

  /** From now on a path that nobody answers is 404; before, while services start, it is 503. */
  open(): void {
    this.#open = true;
  }

  /**
   * Starts to listen and returns the base URL.
   * @throws ListenError naming the port and the reason, in one line
   */
  async listen(): Promise<string> {
    const { name, host, port } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const reason =
          error.code === 'EADDRINUSE'
            ? 'is already in use'
            : `cannot be used (${error.code ?? error.message})`;
        reject(new ListenError(`${name}: port ${port} on ${host} ${reason}`));
      });
      this.#server.listen(port, host, resolve);
    });
    const address = this.#server.address() as AddressInfo;
    const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return `http://${shown}:${address.port}`;
  }

  /** Takes no new connection. Resolves when the last one has ended, at the latest after `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    if (!this.#server.listening) return;
    // A connection that was busy when the server closed stays open idle afterwards: it is swept until all are gone.
    const sweep = setInterval(() => this.#server.closeIdleConnections(), IDLE_SWEEP_MS);
    const force = setTimeout(() => this.#server.closeAllConnections(), timeoutMs);
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
    });
    clearInterval(sweep);
    clearTimeout(force);
  }

  #dispatch(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? '/';
    const route = this.#routes.find(({ prefix }) => matches(url, prefix));
    if (route !== undefined) return route.handle(request, response);
    const fault = this.#open
      ? new Fault('not_found', `Invalid URL (${request.method} ${pathOf(url)})`)
      : new Fault('service_unavailable', 'The service is starting. Please retry.', { retryAfterMs: 1_000 });
    sendFault(response, fault);
  }
}

const matches = (url: string, prefix: string): boolean => {
  if (prefix === '/') return true;
  if (!url.startsWith(prefix)) return false;
  const next = url.charCodeAt(prefix.length);
  return Number.isNaN(next) || next === 0x2f || next === 0x3f;
};

const PATH_CHARS_SHOWN = 200;

/** A path as it may be shown: without its query, which may hold a secret, and not longer than a line. */
export const pathOf = (url: string): string => url.split('?', 1)[0]!.slice(0, PATH_CHARS_SHOWN);

const CLIENT_ERRORS: Readonly<Record<string, readonly [FaultCode, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', `The header section is larger than ${HEADER_BYTES_MAX} bytes.`],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'The request did not arrive in time.'],
};

/** Answers what is not a readable HTTP request, then closes the connection. */
const answerClientError = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const [code, message] =
    CLIENT_ERRORS[error.code ?? ''] ?? (['invalid_value', 'The request is not valid HTTP.'] as const);
  const fault = new Fault(code, message);
  const body = JSON.stringify(errorBody(fault));
  socket.end(
    `HTTP/1.1 ${fault.spec.status} ${STATUS_CODES[fault.spec.status] ?? ''}\r\n` +
      `content-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `connection: close\r\n\r\n${body}`,
  );
};
