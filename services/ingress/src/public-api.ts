import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Principal } from '@tunan/contracts';
import { Fault, uuidv7, type Clock } from '@tunan/kernel';
import { pathOf, sendFault, type HttpSurface, type Logger } from '@tunan/service-kit';
import { readApiKey } from './domain/bearer-token.js';
import type { Principals } from './principals.js';

/** A request whose key is known. */
export interface AuthenticatedRequest {
  readonly requestId: string;
  readonly apiKey: string;
  readonly principal: Principal;
  readonly startedMs: number;
  /** Headers that every answer to this request has. */
  readonly headers: Readonly<Record<string, string>>;
  readonly raw: FastifyRequest;
}

/** One operation of the public API. Answers by itself; a Fault it throws becomes the error object. */
export interface Endpoint {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  handle(request: AuthenticatedRequest, reply: FastifyReply): void | Promise<void>;
}

/** Path prefixes that the public API answers. */
const PREFIXES = ['/v1', '/api', '/dashboard'];

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before the body is read. */
    tunan: { requestId: string; startedMs: number; apiKey: string; principal: Principal | undefined } | null;
  }
}

const CLIENT_REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/**
 * The public HTTP surface: a bare Fastify instance whose parser, errors and not-found answers are ours. A key is
 * judged before the body is read.
 */
export class PublicApi {
  readonly #fastify: FastifyInstance;
  readonly #allowed = new Map<string, string[]>();

  constructor(
    private readonly principals: Principals,
    private readonly clock: Clock,
    private readonly logger: Logger,
    bodyBytesMax: number,
  ) {
    this.#fastify = fastify({
      logger: false,
      bodyLimit: bodyBytesMax,
      exposeHeadRoutes: false,
      return503OnClosing: false,
      frameworkErrors: (error, request, reply) => this.#answerError(error, request, reply),
    });
    this.#fastify.decorateRequest('tunan', null);
    this.#fastify.removeAllContentTypeParsers();
    this.#fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    );
    this.#fastify.setErrorHandler((error, request, reply) => this.#answerError(error, request, reply));
    this.#fastify.setNotFoundHandler((request, reply) =>
      this.#answerError(this.#notFound(request), request, reply),
    );
  }

  /** Adds an endpoint. */
  route(endpoint: Endpoint): void {
    this.#allowed.set(endpoint.path, [...(this.#allowed.get(endpoint.path) ?? []), endpoint.method]);
    this.#fastify.route({
      method: endpoint.method,
      url: endpoint.path,
      onRequest: (request, _reply, done) => this.#authenticate(request, done),
      handler: (request, reply) => this.#handle(endpoint, request, reply),
    });
  }

  /** The surface that the host mounts. */
  async surface(): Promise<HttpSurface> {
    await this.#fastify.ready();
    return {
      listener: 'public',
      prefixes: PREFIXES,
      handle: (request, response) => this.#fastify.routing(request, response),
    };
  }

  close(): Promise<void> {
    return this.#fastify.close().then(() => undefined);
  }

  #authenticate(request: FastifyRequest, done: (error?: Error) => void): void {
    const startedMs = this.clock.monotonicMs();
    request.tunan = { requestId: uuidv7(this.clock.nowMs()), startedMs, apiKey: '', principal: undefined };
    const context = request.tunan;
    try {
      context.apiKey = readApiKey(request.headers.authorization);
      const found = this.principals.find(context.apiKey);
      if (!(found instanceof Promise)) {
        context.principal = found;
        return done();
      }
      found.then(
        (principal) => {
          context.principal = principal;
          done();
        },
        (error: unknown) => done(Fault.from(error)),
      );
    } catch (error) {
      done(Fault.from(error));
    }
  }

  #handle(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply): void {
    reply.hijack();
    const { requestId, startedMs, apiKey, principal } = request.tunan!;
    const headers = this.#headers(request);
    const authenticated = { requestId, startedMs, apiKey, principal: principal!, headers, raw: request };
    try {
      const answering = endpoint.handle(authenticated, reply);
      if (answering instanceof Promise)
        answering.catch((error: unknown) => this.#fail(error, request, reply));
    } catch (error) {
      this.#fail(error, request, reply);
    }
  }

  /** Headers of every answer: our request id, and the client's own if it is short and printable. */
  #headers(request: FastifyRequest): Record<string, string> {
    const headers: Record<string, string> = {
      'x-request-id': request.tunan?.requestId ?? uuidv7(this.clock.nowMs()),
      'access-control-allow-origin': '*',
    };
    const theirs = request.headers['x-client-request-id'];
    if (typeof theirs === 'string' && CLIENT_REQUEST_ID.test(theirs)) headers['x-client-request-id'] = theirs;
    return headers;
  }

  #answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    reply.hijack();
    this.#fail(toFault(error), request, reply);
  }

  #fail(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const fault = Fault.from(error);
    if (fault.code === 'internal_error')
      this.logger.error({ requestId: request.tunan?.requestId, err: fault.cause ?? fault }, fault.message);
    const allow = fault.code === 'method_not_allowed' ? { allow: this.#methods(request).join(', ') } : {};
    // The rest of a body that was refused is not read: the connection can't be used again.
    const close = fault.code === 'request_too_large' ? { connection: 'close' } : {};
    sendFault(reply.raw, fault, { ...this.#headers(request), ...allow, ...close });
  }

  #notFound(request: FastifyRequest): Fault {
    const path = pathOf(request.url);
    return this.#methods(request).length > 0
      ? new Fault('method_not_allowed', `Method ${request.method} is not allowed for ${path}.`)
      : new Fault('not_found', `Invalid URL (${request.method} ${path})`);
  }

  #methods(request: FastifyRequest): readonly string[] {
    return this.#allowed.get(pathOf(request.url)) ?? [];
  }
}

/** Fastify's own refusals, in our terms. */
const toFault = (error: unknown): Fault => {
  if (error instanceof Fault) return error;
  switch ((error as { code?: string }).code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Fault('request_too_large', 'The request body is too large.');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_EMPTY_TYPE':
      return new Fault('unsupported_media_type', 'Send the request body as Content-Type: application/json.');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new Fault(
        'invalid_value',
        'The request body does not have the length that Content-Length says.',
      );
    case 'FST_ERR_BAD_URL':
      return new Fault('invalid_value', 'The URL is not valid.');
    case 'ECONNRESET':
      return new Fault('client_closed', 'The client went away.');
    default:
      return Fault.from(error);
  }
};
