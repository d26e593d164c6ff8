import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, BlockList, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { errorHeaders, Fault } from '@tunan/kernel';
import { ConnectionLimit, type ConnectionBounds } from './connection-limit.js';
import { hasUnreadBody, sendFault } from './error-response.js';
import { formFault, HEADERS_MAX } from './request-form.js';
import { answerUnreadable, endAfter, endWith } from './unreadable-request.js';

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
  /** Longest time for the header section of a request to arrive, in milliseconds: 408 as well. */
  readonly headersTimeoutMs: number;
  /** A client that takes no byte of an answer that is otherwise complete for this long has gone, in milliseconds. */
  readonly writeStallMs: number;
  /** Without them, as many as the process can have. */
  readonly connections?: ConnectionBounds | undefined;
  /** Headers of all refusals that no handler makes. */
  readonly refusalHeaders?: Readonly<Record<string, string>> | undefined;
}

const HEADER_BYTES_MAX = 16 * 1024;
const TIMEOUT_CHECK_MS = 2_000;
/** Above the idle timeout of common load balancers (60 s), so that they, not we, close an idle connection. */
const KEEP_ALIVE_MS = 75_000;
const IDLE_SWEEP_MS = 100;
const STALL_CHECK_MS = 5_000;
const BODILESS_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const CLOSE = { connection: 'close' } as const;
/** Connections beyond the bound that are told so at the same time; further ones are closed without a word. */
const REFUSED_CONNECTIONS_MAX = 256;

/** A port cannot be listened on. */
export class ListenError extends Error {}

/**
 * One HTTP listener of the process. Requests go to the handler of the longest matching prefix; what no handler takes,
 * and what is not HTTP at all, is answered with the OpenAI error object. A handler sees only requests that can be read
 * in one way, with repeated header lines joined by commas, and no
 * other one of the same connection at the same time; a client that waits for "100 Continue" gets it when the
 * handler begins to read.
 */
export class Listener {
  readonly #server: Server;
  readonly #routes: { readonly prefix: string; readonly handle: RequestHandler }[] = [];
  readonly #limit: ConnectionLimit;
  readonly #sockets = new Set<Socket>();
  /** The answer to the last request of each connection. */
  readonly #answers = new WeakMap<Duplex, ServerResponse>();
  readonly #refusalHeaders: Readonly<Record<string, string>>;
  #open = false;

  constructor(private readonly options: ListenerOptions) {
    this.#refusalHeaders = options.refusalHeaders ?? {};
    const bounds = options.connections ?? { max: Infinity, perAddressMax: Infinity };
    this.#limit = new ConnectionLimit(bounds);
    this.#server = createServer(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: options.headersTimeoutMs,
        requestTimeout: options.requestTimeoutMs,
        connectionsCheckingInterval: TIMEOUT_CHECK_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        noDelay: true,
        // Both are judged by us, so that the refusal is an answer of ours.
        requireHostHeader: false,
        joinDuplicateHeaders: true,
      },
      (request, response) => this.#takeTurn(request, response),
    );
    // Node drops what is above without a word; one more shows that there was more.
    this.#server.maxHeadersCount = HEADERS_MAX + 1;
    if (Number.isFinite(bounds.max)) this.#server.maxConnections = bounds.max + REFUSED_CONNECTIONS_MAX;
    this.#server.on('connection', (socket: Socket) => this.#takeConnection(socket));
    this.#server.on('clientError', (error, socket) =>
      answerUnreadable(error, socket, this.#answers.get(socket), this.#refusalHeaders),
    );
    this.#server.on('timeout', (socket: Socket) => {
      // A reset: closed in order, the kernel would keep what the client does not take for as long as the client stays.
      if (socket.writableLength > 0) socket.resetAndDestroy();
      else socket.destroy();
    });
    this.#server.on('connect', (_request, socket) =>
      endAfter(this.#answers.get(socket), socket, new Fault('method_not_allowed', 'This is not a proxy.'), {
        ...this.#refusalHeaders,
        allow: 'GET, HEAD, POST',
      }),
    );
    this.#server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      request.once('resume', () => {
        if (!response.headersSent) response.writeContinue();
      });
      this.#takeTurn(request, response);
    });
    this.#server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) =>
      sendFault(
        response,
        new Fault('unsupported_expectation', "The only expectation that is met is '100-continue'."),
        { ...this.#refusalHeaders, ...CLOSE },
      ),
    );
  }

  /** Names the peers that many clients come through: they have no bound of their own. */
  trust(proxies: BlockList): void {
    this.#limit.trust(proxies);
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
    const watch = setInterval(() => this.#watchWriters(), STALL_CHECK_MS).unref();
    this.#server.once('close', () => clearInterval(watch));
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

  #takeConnection(socket: Socket): void {
    // For as long as it lives, whoever answers on it: Node takes its own listener off a socket that asked for a tunnel,
    // and a client that resets it then would end the process.
    socket.on('error', () => socket.destroy());
    let leave: () => void;
    try {
      // A peer that has gone already has no address.
      leave = this.#limit.enter(socket.remoteAddress ?? '');
    } catch (error) {
      // Nothing that it sends is read. Not at once: Node has just listened for its bytes, and begins to read with the next tick.
      process.nextTick(() => socket.pause());
      const fault = Fault.from(error);
      return endWith(socket, fault, { ...this.#refusalHeaders, ...errorHeaders(fault) });
    }
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      leave();
    });
  }

  /**
   * Requests of one connection are handled one after the other. What a client sends ahead is not read any further:
   * its handler would work for an answer that can't go out yet, and would not learn that the client has left.
   */
  #takeTurn(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    // Its last answer has been given, and nobody could learn what came of this request.
    if (!socket.writable) return;
    const before = this.#answers.get(socket);
    this.#answers.set(socket, response);
    if (before === undefined || before.closed) return this.#dispatch(request, response);
    socket.pause();
    before.once('close', () => {
      if (!socket.writable) return;
      socket.resume();
      if (!response.headersSent) this.#dispatch(request, response);
    });
  }

  #dispatch(request: IncomingMessage, response: ServerResponse): void {
    const formedBadly = formFault(request);
    if (formedBadly !== undefined)
      return sendFault(response, formedBadly, { ...this.#refusalHeaders, ...CLOSE });
    // Nobody reads such a body: once the request was answered, Node would, to an end that need not come.
    if (BODILESS_METHODS.has(request.method!) && hasUnreadBody(request, false))
      response.setHeader('connection', 'close');
    const url = request.url!;
    const route = this.#routes.find(({ prefix }) => matches(url, prefix));
    if (route !== undefined) return route.handle(request, response);
    const fault = this.#open
      ? new Fault('not_found', `Invalid URL (${request.method} ${pathOf(url)})`)
      : new Fault('service_unavailable', 'The service is starting. Please retry.', { retryAfterMs: 1_000 });
    sendFault(response, fault, this.#refusalHeaders);
  }

  /** Answers that are complete but not taken have nobody else who watches over them. */
  #watchWriters(): void {
    const { writeStallMs } = this.options;
    for (const socket of this.#sockets) {
      const answer = this.#answers.get(socket);
      if (answer === undefined || !answer.writableEnded || answer.writableFinished) continue;
      // Node takes progress of a write for activity, and sets its own timeout again when the answer has gone out.
      if (socket.timeout !== writeStallMs) socket.setTimeout(writeStallMs);
    }
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
