import 'reflect-metadata';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StandardSchemaValidationPipe, type DynamicModule, type INestApplication } from '@nestjs/common';
import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { ConfigSchema } from '@tunan/config';
import { errorBody, errorHeaders, Fault, uuidv7, type Clock, type FaultCode } from '@tunan/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { pathOf } from './http/listener.js';
import type { Logger } from './logger.js';
import { NestLogger } from './nest-logger.js';
import type { ServiceContext } from './service.js';

/** A Nest application without a listener of its own: the host hands it requests. */
export interface NestHttp {
  readonly app: INestApplication;
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Resolves when no request is being answered, at the latest after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
}

/** What differs between the HTTP surfaces of services. */
export interface NestHttpOptions {
  /**
   * Called with every request before its body is read.
   * @throws Fault to refuse the request
   */
  readonly authorize?: (request: IncomingMessage) => void;
}

const BODY_BYTES_MAX = 1024 * 1024;
const JSON_TEXT = new TextDecoder('utf-8', { fatal: true });

/**
 * Builds a service's Nest application on Fastify and leaves the listener, its timeouts and signals to the host.
 * Bodies are JSON of at most 1 MiB; parameters declared with a schema are validated by one pipe; whatever is thrown
 * becomes the OpenAI error object. Every answer has `x-request-id`.
 */
export const createNestHttp = async <Schema extends ConfigSchema>(
  module: DynamicModule,
  context: Pick<ServiceContext<Schema>, 'logger' | 'clock'>,
  options: NestHttpOptions = {},
): Promise<NestHttp> => {
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_BYTES_MAX,
    genReqId: () => uuidv7(),
    requestIdHeader: false,
    // The router refuses such a URL before any hook or filter runs.
    frameworkErrors: (_error: Error, request: FastifyRequest, reply: FastifyReply) =>
      reply
        .header('x-request-id', request.id)
        .status(400)
        .send(errorBody(new Fault('invalid_value', 'The URL is malformed.'))),
  });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: new NestLogger(context.logger),
    abortOnError: false,
    bodyParser: false,
  });
  const fastify = adapter.getInstance();
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    try {
      options.authorize?.(request.raw);
      done();
    } catch (error) {
      done(Fault.from(error));
    }
  });
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJson(body as Buffer));
    } catch (error) {
      done(error as Fault, undefined);
    }
  });
  app.useGlobalFilters(new FaultFilter(context.logger));
  app.useGlobalPipes(
    new StandardSchemaValidationPipe({ exceptionFactory: (issues) => faultOfIssues(issues as Issues) }),
  );
  await app.init();
  await fastify.ready();
  const inFlight = new InFlight(context.clock);
  return {
    app,
    handle(request, response) {
      inFlight.add(response);
      fastify.routing(request, response);
    },
    drain: (timeoutMs) => inFlight.none(timeoutMs),
  };
};

/** Answers that have begun and not ended. */
class InFlight {
  readonly #responses = new Set<ServerResponse>();
  #onNone: (() => void) | undefined;

  constructor(private readonly clock: Clock) {}

  add(response: ServerResponse): void {
    this.#responses.add(response);
    response.once('close', () => {
      this.#responses.delete(response);
      if (this.#responses.size === 0) this.#onNone?.();
    });
  }

  async none(timeoutMs: number): Promise<void> {
    if (this.#responses.size === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.clock.after(timeoutMs, resolve);
      this.#onNone = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** Reads UTF-8 JSON; bytes that are not UTF-8 are refused, not replaced. */
const parseJson = (body: Buffer): unknown => {
  try {
    return JSON.parse(JSON_TEXT.decode(body));
  } catch (cause) {
    throw new Fault('invalid_json', 'The body is not valid JSON in UTF-8.', { cause });
  }
};

type Issues = readonly z.core.$ZodIssue[];

/** `keys[0].name`: the notation of OpenAI's `param`. */
const paramOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  );

/** The first problem that validation found, as a client must hear it. */
const faultOfIssues = (issues: Issues): Fault => {
  const issue = issues[0]!;
  if (issue.code === 'unrecognized_keys') {
    const param = paramOf([...issue.path, issue.keys[0]!]);
    return new Fault('unsupported_parameter', `Unknown parameter: ${param}.`, { param });
  }
  if (issue.path.length === 0)
    return new Fault('invalid_value', `The body must be a JSON object: ${issue.message}.`);
  const param = paramOf(issue.path);
  const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
  return missing
    ? new Fault('missing_required_parameter', `Missing required parameter: ${param}.`, { param })
    : new Fault('invalid_value', `Invalid value for ${param}: ${issue.message}.`, { param });
};

const CODE_OF_STATUS: Readonly<Record<number, FaultCode>> = {
  413: 'request_too_large',
  414: 'url_too_long',
  415: 'unsupported_media_type',
};

/** What Nest and Fastify throw of their own accord, as a fault. */
const faultOf = (error: unknown, request: FastifyRequest): Fault => {
  if (!(error instanceof HttpException)) return Fault.from(error);
  const status = error.getStatus();
  if (status === 404) return new Fault('not_found', `Invalid URL (${request.method} ${pathOf(request.url)})`);
  return status < 500
    ? new Fault(CODE_OF_STATUS[status] ?? 'invalid_value', error.message, { cause: error })
    : new Fault('internal_error', 'Internal error.', { internal: error.message, cause: error });
};

/** Turns everything that a handler, a pipe or the parser throws into the error object. */
@Catch()
class FaultFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const fault = faultOf(error, request);
    if (fault.spec.owner !== 'client') {
      this.logger.error(
        {
          err: error,
          requestId: request.id,
          method: request.method,
          path: pathOf(request.url),
          fault: fault.code,
        },
        'request failed',
      );
    }
    if (reply.sent) return;
    void reply.status(fault.spec.status).headers(errorHeaders(fault)).send(errorBody(fault));
  }
}
