import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { BlockList } from 'node:net';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Principal } from '@tunan/contracts';
import { Fault, uuidv7, type Clock } from '@tunan/kernel';
import { pathOf, readBody, sendFault, type HttpSurface, type Logger } from '@tunan/service-kit';
import { readApiKey } from './domain/bearer-token.js';
import { clientAddress } from './client-address.js';
import { corsHeaders, preflightHeaders } from './domain/cors.js';
import { frameworkFault } from './domain/framework-fault.js';
import type { Intake, Place } from './domain/intake.js';
import { checkMediaType } from './domain/media-type.js';
import { OPENAPI_PATH, openApiDocument } from './domain/openapi.js';
import { unknownPath } from './domain/unknown-path.js';
import type { Principals } from './principals.js';
import type { Refusal, Refusals } from './refusals.js';
import { SMALL_BODY_BYTES, type RefusedWork } from './refused-work.js';

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
const PREFIXES = ['/v1', '/api', '/dashboard', OPENAPI_PATH];

interface Known extends RequestContext {
  apiKey: string;
  principal: Principal | undefined;
  place: Place | undefined;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before the key is judged, and the key before the body is read. */
    tunan: Known | null;
  }
}

const CLIENT_REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
/** No URL is longer: the header section ends at 16 KiB. */
const ID_CHARS_MAX = 16_384;
const METHODS = ['GET', 'POST'] as const;
/** What is wrong with these is when they come: an idempotency key that is in use, a limit, what it was used for. */
const NOT_MALFORMED: ReadonlySet<number> = new Set([409, 422, 429]);

/**
 * The public HTTP surface: a bare Fastify instance whose parser, errors and not-found answers are ours. Path, method
 * and key are judged before the body is read.
 */
export class PublicApi {
  readonly #fastify: FastifyInstance;
  readonly #routes: { readonly method: string; readonly path: string; readonly pattern: RegExp }[] = [];

  constructor(
    private readonly principals: Principals,
    private readonly refusals: Refusals,
    private readonly intake: Intake,
    private readonly refusedWork: RefusedWork,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly options: PublicApiOptions,
  ) {
    this.#fastify = fastify({
      logger: false,
      exposeHeadRoutes: false,
      return503OnClosing: false,
      // An id of any length is judged like any other: after the key, and by who knows ids.
      routerOptions: { maxParamLength: ID_CHARS_MAX },
      frameworkErrors: (error, request, reply) => this.#answerError(error, request, reply),
    });
    this.#fastify.decorateRequest('tunan', null);
    this.#fastify.removeAllContentTypeParsers();
    // Media types are judged before: whatever is let through is read as bytes, within our bounds.
    this.#fastify.addContentTypeParser('*', (request: FastifyRequest, payload: IncomingMessage) =>
      readBody(payload, options.bodyBytesMax, request.tunan?.place?.take),
    );
    this.#fastify.setErrorHandler((error, request, reply) => this.#answerError(error, request, reply));
    this.#fastify.addHook('onRequest', (request, reply, done) => this.#begin(request, reply, done));
  }

  /** Adds an endpoint. */
  route(endpoint: Endpoint): void {
    this.#routes.push({ method: endpoint.method, path: endpoint.path, pattern: patternOf(endpoint.path) });
    this.#fastify.route({
      method: endpoint.method,
      url: endpoint.path,
      handler: (request, reply) => this.#handle(endpoint, request, reply),
    });
  }

  /** The surface that the host mounts. */
  async surface(): Promise<HttpSurface> {
    this.#describe();
    await this.#fastify.ready();
    return {
      listener: 'public',
      prefixes: PREFIXES,
      trustedProxies: this.options.trustedProxies,
      handle: (request, response) => this.#fastify.routing(request, response),
    };
  }

  /** Serves the document of all endpoints, to anybody. */
  #describe(): void {
    const document = Buffer.from(JSON.stringify(openApiDocument(this.#routes)));
    this.#routes.push({ method: 'GET', path: OPENAPI_PATH, pattern: patternOf(OPENAPI_PATH) });
    this.#fastify.get(OPENAPI_PATH, (request, reply) => {
      reply.hijack();
      reply.raw.writeHead(200, {
        ...this.#context(request).headers,
        'content-type': 'application/json; charset=utf-8',
        'content-length': document.length,
      });
      reply.raw.end(document);
    });
  }

  close(): Promise<void> {
    return this.#fastify.close().then(() => undefined);
  }

  /** Everything that is decided before the body is read. */
  #begin(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    const known = this.#context(request);
    if (request.method === 'OPTIONS') return this.#preflight(request, reply);
    if (!request.is404 && request.routeOptions.url === OPENAPI_PATH) return done();
    const refuse = (error: unknown): void => {
      // Without this hook's end Fastify would read the body of a request that nobody handles.
      this.#answerError(request.is404 ? this.#notFound(request) : error, request, reply);
    };
    const enter = (principal: Principal): void => {
      known.principal = principal;
      if (request.is404) throw this.#notFound(request);
      this.#enter(principal, request, reply);
      done();
    };
    try {
      refuseRepeated('authorization', request.raw);
      known.apiKey = readApiKey(request.headers.authorization);
      const found = this.principals.find(known.apiKey, () => this.refusals.isSuspect(this.#address(request)));
      if (found instanceof Promise) void found.then(enter).catch(refuse);
      else enter(found);
    } catch (error) {
      refuse(error);
    }
  }

  /** Takes on a request that will be handled. */
  #enter(principal: Principal, { raw, tunan }: FastifyRequest, reply: FastifyReply): void {
    if (reply.raw.closed) throw new Fault('client_closed', 'The client went away.');
    const { headers, method } = raw;
    if (method === 'POST') checkMediaType(headers['content-type'], headers['content-encoding']);
    if (mayBeLarge(headers)) this.refusedWork.enter(principal.accountId);
    const place = this.intake.enter(principal);
    tunan!.place = place;
    reply.raw.once('close', place.leave);
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
    const { requestId, startedMs, headers, apiKey, principal, place } = request.tunan!;
    place?.arrived();
    const authenticated = { requestId, startedMs, headers, apiKey, principal: principal!, raw: request };
    const handle = (): void => {
      try {
        const answering = endpoint.handle(authenticated, reply);
        if (answering instanceof Promise)
          answering.catch((error: unknown) => this.#fail(error, request, reply));
      } catch (error) {
        this.#fail(error, request, reply);
      }
    };
    // Until it waits for the first time, which is for admission or for the account that refuses it.
    if (!isLarge(request.body)) return handle();
    const countRefused = this.refusedWork.measure(principal!.accountId, handle);
    reply.raw.once('close', () => {
      if (isRefused(reply.raw)) countRefused();
    });
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
    return (request.tunan = {
      requestId,
      startedMs,
      headers,
      apiKey: '',
      principal: undefined,
      place: undefined,
    });
  }

  #answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    reply.hijack();
    this.#fail(frameworkFault(error), request, reply);
  }

  #fail(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    if (reply.raw.destroyed) return;
    const fault = Fault.from(error);
    const { principal, requestId } = this.#context(request);
    if (fault.code === 'internal_error')
      this.logger.error({ requestId, err: fault.cause ?? fault }, fault.message);
    if (fault.spec.owner !== 'client') return this.#refuse({ fault, headers: {} }, request, reply);
    const { status } = fault.spec;
    if (principal === undefined || status === 401) return this.#refuseStranger(fault, request, reply);
    // A read was counted when it was made.
    const isRead = request.method === 'GET' && !request.is404;
    const countedAs = isRead || NOT_MALFORMED.has(status) ? 'nothing' : 'malformed';
    void this.refusals.known(fault, principal, countedAs, isRead).then((refusal) => {
      // That a path does not exist is said to anybody.
      if (refusal.fault.spec.status === 401)
        this.#refuseStranger(request.is404 ? fault : refusal.fault, request, reply);
      else this.#refuse(refusal, request, reply);
    });
  }

  /** Refuses a request without a working key. One whose key worked until now is told, and counted, like any other. */
  #refuseStranger(fault: Fault, request: FastifyRequest, reply: FastifyReply): void {
    const { apiKey, principal } = this.#context(request);
    if (principal !== undefined) this.principals.forget(apiKey);
    this.#refuse(this.refusals.stranger(fault, this.#address(request)), request, reply);
  }

  /** Where a request comes from, as far as that can be believed. */
  #address(request: FastifyRequest): string {
    const { remoteAddress = '' } = request.socket;
    return clientAddress(remoteAddress, request.headers['x-forwarded-for'], this.options.trustedProxies);
  }

  #refuse({ fault, headers }: Refusal, request: FastifyRequest, reply: FastifyReply): void {
    const context = this.#context(request);
    const all: Record<string, string> = { ...context.headers };
    Object.assign(all, headers);
    all['openai-processing-ms'] = String(Math.round(this.clock.monotonicMs() - context.startedMs));
    if (fault.code === 'method_not_allowed') all['allow'] = [...this.#methods(request), 'OPTIONS'].join(', ');
    sendFault(reply.raw, fault, all);
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

const isLarge = (body: unknown): boolean => body instanceof Buffer && body.length > SMALL_BODY_BYTES;

/** Whether the body of a request may turn out to be large: one in chunks does not say. */
const mayBeLarge = ({
  'content-length': length,
  'transfer-encoding': coding,
}: IncomingHttpHeaders): boolean => coding !== undefined || Number(length ?? 0) > SMALL_BODY_BYTES;

/** Whether an answer that has ended was a refusal. Who did not wait for one has asked for nothing, too. */
const isRefused = ({ headersSent, statusCode }: ServerResponse): boolean =>
  !headersSent || (statusCode >= 400 && statusCode < 500);

/** Two keys name two accounts: which of them pays must not be a matter of taste. */
const refuseRepeated = (name: string, { headers, rawHeaders }: IncomingMessage): void => {
  // Lines of one name come joined with commas; one line may have some too.
  if (!(headers[name] as string | undefined)?.includes(',')) return;
  const lines = rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === name);
  if (lines.length > 1) throw new Fault('invalid_value', `There is more than one header '${name}'.`);
};
