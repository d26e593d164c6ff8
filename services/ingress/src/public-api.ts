import type { BlockList } from 'node:net';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Principal } from '@tunan/contracts';
import { Fault, uuidv7, type Clock } from '@tunan/kernel';
import { pathOf, sendFault, type HttpSurface, type Logger } from '@tunan/service-kit';
import { readApiKey } from './domain/bearer-token.js';
import { clientAddress } from './client-address.js';
import { corsHeaders, preflightHeaders } from './domain/cors.js';
import { frameworkFault } from './domain/framework-fault.js';
import { unknownPath } from './domain/unknown-path.js';
import type { Principals } from './principals.js';
import type { Refusal, Refusals } from './refusals.js';

/** What is known of a request before its key is. */
export interface RequestContext {
  readonly requestId: string;
  readonly startedMs: number;
  /** Headers that every answer to this request has. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A request whose key is known. */
export interface AuthenticatedRequest extends RequestContext {
  readonly apiKey: string;
  readonly principal: Principal;
  readonly raw: FastifyRequest;
}

/** One operation of the public API. Answers by itself; a Fault it throws becomes the error object. */
export interface Endpoint {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  handle(request: AuthenticatedRequest, reply: FastifyReply): void | Promise<void>;
}

/** Bounds of the public surface, and whom it believes. */
export interface PublicApiOptions {
  readonly bodyBytesMax: number;
  readonly trustedProxies: BlockList;
}

/** Path prefixes that the public API answers. */
const PREFIXES = ['/v1', '/api', '/dashboard'];

interface Known extends RequestContext {
  apiKey: string;
  principal: Principal | undefined;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before the key is judged, and the key before the body is read. */
    tunan: Known | null;
  }
}

const CLIENT_REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
const METHODS = ['GET', 'POST'] as const;

/**
 * The public HTTP surface: a bare Fastify instance whose parser, errors and not-found answers are ours. Path, method
 * and key are judged before the body is read.
 */
export class PublicApi {
  readonly #fastify: FastifyInstance;
  readonly #routes: { readonly method: string; readonly pattern: RegExp }[] = [];

  constructor(
    private readonly principals: Principals,
    private readonly refusals: Refusals,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly options: PublicApiOptions,
  ) {
    this.#fastify = fastify({
      logger: false,
      bodyLimit: options.bodyBytesMax,
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
    this.#fastify.addHook('onRequest', (request, reply, done) => this.#begin(request, reply, done));
  }

  /** Adds an endpoint. */
  route(endpoint: Endpoint): void {
    this.#routes.push({ method: endpoint.method, pattern: patternOf(endpoint.path) });
    this.#fastify.route({
      method: endpoint.method,
      url: endpoint.path,
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

  /** Everything that is decided before the body is read. */
  #begin(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    const known = this.#context(request);
    if (request.method === 'OPTIONS') return this.#preflight(request, reply);
    const authenticated = (error?: unknown): void => {
      if (!request.is404) return error === undefined ? done() : done(Fault.from(error));
      // Without this hook's end Fastify would read the body of a request that nobody handles.
      this.#answerError(this.#notFound(request), request, reply);
    };
    try {
      known.apiKey = readApiKey(request.headers.authorization);
      const found = this.principals.find(known.apiKey);
      if (found instanceof Promise)
        return void found.then((principal) => {
          known.principal = principal;
          authenticated();
        }, authenticated);
      known.principal = found;
    } catch (error) {
      return authenticated(error);
    }
    authenticated();
  }

  #preflight(request: FastifyRequest, reply: FastifyReply): void {
    reply.hijack();
    const methods = this.#methods(request);
    const allowed = methods.length === 0 ? METHODS : methods;
    const requested = request.headers['access-control-request-headers'];
    reply.raw.writeHead(204, {
      ...this.#context(request).headers,
      ...preflightHeaders([...allowed, 'OPTIONS'], requested),
    });
    reply.raw.end();
  }

  #handle(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply): void {
    reply.hijack();
    const { principal, ...known } = request.tunan!;
    const authenticated = { ...known, principal: principal!, raw: request };
    try {
      const answering = endpoint.handle(authenticated, reply);
      if (answering instanceof Promise)
        answering.catch((error: unknown) => this.#fail(error, request, reply));
    } catch (error) {
      this.#fail(error, request, reply);
    }
  }

  /** The facts of a request: our request id, and the client's own if it is short and printable. */
  #context(request: FastifyRequest): Known {
    if (request.tunan != null) return request.tunan;
    const requestId = uuidv7(this.clock.nowMs());
    const headers: Record<string, string> = {
      'x-request-id': requestId,
      ...corsHeaders(request.headers.origin),
    };
    const theirs = request.headers['x-client-request-id'];
    if (typeof theirs === 'string' && CLIENT_REQUEST_ID.test(theirs)) headers['x-client-request-id'] = theirs;
    const startedMs = this.clock.monotonicMs();
    return (request.tunan = { requestId, startedMs, headers, apiKey: '', principal: undefined });
  }

  #answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    reply.hijack();
    this.#fail(frameworkFault(error), request, reply);
  }

  #fail(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const fault = Fault.from(error);
    const { principal, requestId } = this.#context(request);
    if (fault.code === 'internal_error')
      this.logger.error({ requestId, err: fault.cause ?? fault }, fault.message);
    if (fault.spec.owner !== 'client') return this.#refuse({ fault, headers: {} }, request, reply);
    if (principal === undefined || fault.spec.status === 401) {
      const { remoteAddress = '' } = request.socket;
      const forwarded = request.headers['x-forwarded-for'];
      const address = clientAddress(remoteAddress, forwarded, this.options.trustedProxies);
      return this.#refuse(this.refusals.stranger(fault, address), request, reply);
    }
    // A read was counted when it was made.
    const countedAs = request.method === 'GET' && !request.is404 ? 'nothing' : 'malformed';
    void this.refusals
      .known(fault, principal, countedAs)
      .then((refusal) => this.#refuse(refusal, request, reply));
  }

  #refuse({ fault, headers }: Refusal, request: FastifyRequest, reply: FastifyReply): void {
    const context = this.#context(request);
    const allow =
      fault.code === 'method_not_allowed' ? { allow: [...this.#methods(request), 'OPTIONS'].join(', ') } : {};
    // The rest of a body that was refused is not read: the connection can't be used again.
    const close = fault.code === 'request_too_large' ? { connection: 'close' } : {};
    sendFault(reply.raw, fault, {
      ...context.headers,
      ...headers,
      'openai-processing-ms': String(Math.round(this.clock.monotonicMs() - context.startedMs)),
      ...allow,
      ...close,
    });
  }

  #notFound(request: FastifyRequest): Fault {
    const path = pathOf(request.url);
    return this.#methods(request).length > 0
      ? new Fault('method_not_allowed', `Method ${request.method} is not allowed for ${path}.`)
      : unknownPath(request.method, path);
  }

  /** Methods that a path has. */
  #methods(request: FastifyRequest): readonly string[] {
    const path = pathOf(request.url);
    return this.#routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
  }
}

/** Paths of an endpoint; a parameter takes one segment. */
const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`);
