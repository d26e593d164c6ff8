import type { IncomingMessage, ServerResponse } from 'node:http';
import { uuidv7, type Clock } from '@tunan/kernel';
import { dialectOf, DIALECTS } from '../dialects/dialects.js';
import { Refusal, type Dialect, type ErrorContext } from '../dialects/dialect.js';
import { BehaviourError, type Behaviour, type RawBehaviour } from '../domain/behaviour.js';
import { ScriptBook } from '../domain/script-book.js';
import { BehaviourSource } from './asked-behaviour.js';
import { injectBeforeAnswer } from './before-answer.js';
import { serveChat } from './chat-call.js';
import { ControlApi } from './control-api.js';
import { serveEmbeddings } from './embeddings-call.js';
import { parseObject, readBody, type ReadBody } from './read-body.js';
import { bearerKey, bodyFacts, requestFacts } from './request-facts.js';
import { ServedCall } from './served-call.js';
import type { ServedLog } from './served-log.js';

type Body = Record<string, unknown>;

/** Bounds and defaults of a simulator. */
export interface SimulatorOptions {
  /** Most calls at a time; more are answered 503 and not logged. */
  readonly openCallsMax: number;
  /** What every answer does unless a directive or script says otherwise. */
  readonly defaults: RawBehaviour;
}

/** Paths that the simulator answers. */
export const PREFIXES: readonly string[] = [...DIALECTS.map(({ prefix }) => prefix), '/control'];

const pathOf = (request: IncomingMessage): string => {
  const url = request.url ?? '/';
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
};

/** Four providers on one HTTP surface. */
export class Simulator {
  readonly scripts = new ScriptBook();
  readonly #open = new Set<ServedCall>();
  readonly #streams = new Set<ServedCall>();
  readonly #control: ControlApi;
  #stopped = false;
  readonly #behaviours: BehaviourSource;
  readonly #counts = { requests: 0, refused: 0, maxOpen: 0, maxOpenStreams: 0 };

  constructor(
    private readonly clock: Clock,
    readonly log: ServedLog,
    private readonly options: SimulatorOptions,
  ) {
    this.#behaviours = new BehaviourSource(this.scripts, options.defaults);
    this.#control = new ControlApi(this.scripts, log, { stats: () => this.stats(), open: () => this.open() });
  }

  /** Answers one request, whatever it is. Never throws. */
  handle(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => response.destroy());
    if (this.#stopped) {
      response.destroy();
      return;
    }
    const path = pathOf(request);
    const dialect = dialectOf(path);
    if (dialect !== undefined) return this.#accept(dialect, path, request, response);
    if (path.startsWith('/control/')) {
      this.#control.handle(request, response, path).catch(() => response.destroy());
      return;
    }
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"no such path"}');
  }

  /** Counters since the start. */
  stats() {
    const { lastSeq, fileError } = this.log;
    return { ...this.#counts, open: this.#open.size, openStreams: this.#streams.size, lastSeq, fileError };
  }

  /** Calls that are being answered, with what was delivered so far. */
  open() {
    return [...this.#open].map(({ requestId, nonce, operation, dialect, delivered }) => ({
      requestId,
      provider: dialect.provider,
      operation,
      nonce,
      delivered,
    }));
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** Ends every call that is being answered; calls that come later find a closed connection. */
  stop(): void {
    this.#stopped = true;
    for (const call of [...this.#open]) call.stop();
  }

  #accept(dialect: Dialect, path: string, request: IncomingMessage, response: ServerResponse): void {
    if (this.#open.size >= this.options.openCallsMax) {
      this.#counts.refused += 1;
      response.writeHead(503, { 'content-type': 'text/plain' }).end('simulator: too many open calls');
      return;
    }
    const operation = dialect.operation(request.method ?? '', path) ?? 'unknown';
    const call = new ServedCall(
      uuidv7(this.clock.nowMs()),
      dialect,
      operation,
      response,
      this.clock,
      this.log,
      (closed) => {
        this.#open.delete(closed);
        this.#streams.delete(closed);
      },
    );
    this.#open.add(call);
    this.#counts.requests += 1;
    this.#counts.maxOpen = Math.max(this.#counts.maxOpen, this.#open.size);
    readBody(request, this.clock)
      .then((body) => this.#serve(call, request, body))
      .catch((error: unknown) => this.#fail(call, error));
  }

  #fail(call: ServedCall, error: unknown): void {
    if (error instanceof Refusal) call.reply(error.reply);
    else if (call.response.headersSent) call.response.destroy();
    else
      call.reply({
        status: 500,
        contentType: 'text/plain',
        body: `simulator: ${String(error)}`,
        code: 'simulator',
      });
  }

  #serve(call: ServedCall, request: IncomingMessage, read: ReadBody): void {
    if (call.closed) return;
    const bytes = read.kind === 'whole' ? read.bytes : Buffer.alloc(0);
    const body = parseObject(bytes);
    const key = bearerKey(request);
    const { operation, dialect } = call;
    const facts = operation === 'unknown' ? undefined : { provider: dialect.provider, operation, key };
    const asked = this.#behaviours.ask(body ?? {}, facts);
    call.nonce = asked.nonce;
    call.accepted({
      ...requestFacts(request),
      ...bodyFacts(body, bytes.length),
      behaviour: asked.raw ?? null,
      script: asked.script,
    });
    const context: ErrorContext = {
      requestId: call.requestId,
      createdS: Math.floor(this.clock.nowMs() / 1_000),
      stream: body?.['stream'] === true,
    };
    if (operation === 'unknown') return call.reply(dialect.errorOfStatus(404, context));
    const refusal = dialect.refuseKey(key, context);
    if (refusal !== undefined) return call.reply(refusal);
    const { behaviour } = asked;
    if (behaviour instanceof BehaviourError) {
      const told = `simulator: ${behaviour.message}`;
      return call.reply({ status: 400, contentType: 'text/plain', body: told, code: 'simulator' });
    }
    if (read.kind === 'too_large')
      return call.reply(dialect.errorOfStatus(413, context), { connection: 'close' });
    if (injectBeforeAnswer(call, behaviour, context)) return;
    this.#answer(call, body, behaviour, context);
  }

  #answer(call: ServedCall, body: Body | undefined, behaviour: Behaviour, context: ErrorContext): void {
    const { dialect, operation } = call;
    if (operation === 'models' || operation === 'balance') {
      const list = JSON.stringify(dialect.list(operation));
      return call.reply(
        { status: 200, contentType: 'application/json', body: list, code: null },
        {},
        'completed',
      );
    }
    if (body === undefined) return call.reply(dialect.errorOfStatus(400, context));
    if (operation === 'embeddings') return serveEmbeddings(call, body, behaviour, context);
    if (context.stream) {
      this.#streams.add(call);
      this.#counts.maxOpenStreams = Math.max(this.#counts.maxOpenStreams, this.#streams.size);
    }
    serveChat(call, body, behaviour, context);
  }
}
