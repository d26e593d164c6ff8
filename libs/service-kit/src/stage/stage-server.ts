import type { IncomingMessage, ServerResponse } from 'node:http';
import type {
  Exchange,
  ExchangeHandler,
  ExchangeReply,
  Operation,
  ReplySink,
  ServiceName,
  ReportedUsage,
} from '@tunan/contracts';
import { errorBody, Fault, type Clock } from '@tunan/kernel';
import { sendFault } from '../http/error-response.js';
import { readBody } from '../http/read-body.js';
import type { Callers } from '../rpc/callers.js';
import type { StageName } from '../service.js';
import { END_LINE, failLine, framesHeader, usageHeader } from './framing.js';
import { abandonPath, decodeExchange, encodeServedHeaders, exchangeId, OPERATION_PATHS } from './headers.js';

/** A little above the public limit: the body was measured at the edge. */
const BODY_BYTES_MAX = 24 * 1024 * 1024;

/** Services that may send exchanges to a stage. */
const senders = (stage: StageName): readonly ServiceName[] => (stage === 'router' ? ['ingress'] : ['router']);

interface Route {
  readonly stage: StageName;
  readonly operation: Operation;
  readonly handler: ExchangeHandler;
}

/** Serves stages of this process to other processes, each as an OpenAI-compatible server under its own base path. */
export class StageServer {
  readonly #routes = new Map<string, Route>();
  /** Exchanges under way, by the path that abandons them. */
  readonly #open = new Map<string, AbortController>();

  constructor(
    private readonly callers: Callers,
    private readonly clock: Clock,
  ) {}

  provide(stage: StageName, handler: ExchangeHandler): void {
    for (const [operation, path] of Object.entries(OPERATION_PATHS) as [Operation, string][])
      this.#routes.set(`/${stage}${path}`, { stage, operation, handler });
  }

  /** True if the request's path is one of ours. */
  matches(request: IncomingMessage): boolean {
    const url = request.url ?? '';
    return this.#routes.has(url) || (request.method === 'DELETE' && url.includes('/exchanges/'));
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const caller = this.callers.identify(request);
      if (caller === undefined) throw new Fault('invalid_api_key', 'Unknown caller.');
      if (request.method === 'DELETE') return this.#abandon(request, response);
      const route = this.#routes.get(request.url ?? '');
      if (route === undefined || request.method !== 'POST') throw new Fault('not_found', 'No such stage.');
      if (!senders(route.stage).includes(caller))
        throw new Fault('invalid_api_key', 'Unknown caller.', {
          internal: `${caller} called ${route.stage}`,
        });
      await this.#exchange(route, request, response);
    } catch (error) {
      const fault = Fault.from(error);
      sendFault(response, fault, { 'x-tunan-fault': encodeURIComponent(JSON.stringify(fault.toWire())) });
    }
  }

  async #exchange(route: Route, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const abort = new AbortController();
    const requestId = exchangeId(request.headers);
    const key = abandonPath(route.stage, requestId);
    // Before the body is read: its client may go away meanwhile.
    this.#open.set(key, abort);
    response.once('close', () => {
      // A second attempt of the same request may be here already.
      if (this.#open.get(key) === abort) this.#open.delete(key);
      if (!response.writableFinished) abort.abort();
    });
    const body = parseBody(await readBody(request, BODY_BYTES_MAX));
    const parts = { operation: route.operation, requestId, body, signal: abort.signal };
    const exchange = decodeExchange(request.headers, parts, this.clock);
    answer(response, await route.handler.handle(exchange), request.headers['x-tunan-framing'] === '1');
  }

  /** 404 if the exchange is not here, or not yet: its caller asks again. */
  #abandon(request: IncomingMessage, response: ServerResponse): void {
    const abort = this.#open.get(request.url ?? '');
    abort?.abort();
    response.writeHead(abort === undefined ? 404 : 204).end();
  }
}

const parseBody = (bytes: Buffer): Exchange['body'] => {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Exchange['body'];
  } catch (cause) {
    throw new Fault('invalid_json', 'The body is not JSON.', { cause });
  }
  throw new Fault('invalid_json', 'The body is not a JSON object.');
};

const answer = (response: ServerResponse, reply: ExchangeReply, framed: boolean): void => {
  const headers = encodeServedHeaders(reply.served);
  if (reply.kind === 'unary') {
    const { head = [] } = reply;
    response.writeHead(200, {
      ...headers,
      'content-type': 'application/json; charset=utf-8',
      'content-length': head.reduce((sum, piece) => sum + piece.length, reply.body.length),
      'x-tunan-output-tokens': String(reply.outputTokens),
      ...(reply.usage === null ? {} : { 'x-tunan-usage': JSON.stringify(reply.usage) }),
    });
    for (const piece of head) response.write(piece);
    response.end(reply.body);
    return;
  }
  response.writeHead(200, {
    ...headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
  });
  const sink = framed ? new FramedSink(response) : new PlainSink(response);
  response.on('drain', () => reply.body.resume());
  reply.body.start(sink);
};

/** Writes for another process of ours. */
class FramedSink implements ReplySink {
  constructor(private readonly response: ServerResponse) {}

  frames(bytes: Buffer, outputTokens: number): boolean {
    // One buffer, one write: a header and its bytes must not become two packets.
    return this.response.write(Buffer.concat([Buffer.from(framesHeader(bytes.length, outputTokens)), bytes]));
  }

  usage(usage: ReportedUsage | null, frame: Buffer): void {
    this.response.write(Buffer.concat([Buffer.from(usageHeader(frame.length, usage)), frame]));
  }

  end(): void {
    this.response.end(END_LINE);
  }

  fail(fault: Fault): void {
    this.response.end(failLine(fault));
  }
}

/** Writes for a client that drives a stage directly: an ordinary OpenAI stream. */
class PlainSink implements ReplySink {
  constructor(private readonly response: ServerResponse) {}

  frames(bytes: Buffer): boolean {
    return this.response.write(bytes);
  }

  usage(_usage: ReportedUsage | null, frame: Buffer): void {
    this.response.write(frame);
  }

  end(): void {
    this.response.end('data: [DONE]\n\n');
  }

  fail(fault: Fault): void {
    this.response.end(`data: ${JSON.stringify(errorBody(fault))}\n\n`);
  }
}
