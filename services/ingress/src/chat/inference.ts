import type { ServerResponse } from 'node:http';
import type { AuthPort, ExchangeHandler } from '@tunan/contracts';
import {
  type CatalogModel,
  type Exchange,
  type Limits,
  type Operation,
  type Principal,
  type Served,
} from '@tunan/contracts';
import { Fault, type Clock } from '@tunan/kernel';
import type { RandomSource } from '@tunan/resilience';
import { sendFault, type Logger } from '@tunan/service-kit';
import { invalidApiKey } from '../domain/bearer-token.js';
import { answerTimes, type ClientTimeouts } from '../domain/client-timeouts.js';
import { aliasHeader } from '../domain/alias-header.js';
import { denialFault } from '../domain/denial.js';
import { limitHeaders } from '../domain/limit-headers.js';
import { Admission, type Denied, type Granted } from './admission.js';
import { IdempotentCall, type IdempotencyMark, type KeyedRequest, type Replay } from './idempotency.js';
import { LookupLimit } from './lookup-limit.js';
import type { OpenExchanges } from './open-exchanges.js';
import { Settlement } from './settlement.js';
import { StreamAnswer } from './stream-answer.js';
import { UnaryAnswer } from './unary-answer.js';

/** One validated inference request. */
export interface InferenceRequest {
  readonly requestId: string;
  readonly apiKey: string;
  readonly principal: Principal;
  readonly operation: Operation;
  readonly model: CatalogModel;
  readonly alias: string | undefined;
  readonly catalogVersion: number;
  /** The request's body, with the model's public id. */
  readonly body: Exchange['body'];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Parameters must be sent as they were given. */
  readonly strictParameters: boolean;
  readonly completions: number;
  /** The client's explicit output limit. */
  readonly ceiling: number | null;
  readonly promptLikely: number;
  readonly promptBound: number;
  readonly timeouts: ClientTimeouts;
  /** By what the client would know this request again, and its body as it came. */
  readonly idempotency: { readonly key: string; readonly body: Buffer } | undefined;
  readonly traceparent: string | undefined;
  readonly startedMs: number;
  /** Headers that every answer to this request has. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Bounds of exchanges, in milliseconds. */
export interface InferenceTimes {
  /** Latest time of a stream's response headers after its start, and longest silence after them. */
  readonly keepAliveMs: number;
  /** A client that takes nothing of its stream for this long has gone. */
  readonly writeStallMs: number;
  readonly exchangeMsMax: number;
}

/** The sequence of every paid request: admit, exchange, answer and settle. */
export class Inference {
  readonly #admission: Admission;
  readonly #lookups: LookupLimit;

  constructor(
    private readonly auth: AuthPort,
    private readonly router: ExchangeHandler,
    private readonly exchanges: OpenExchanges,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly times: InferenceTimes,
    private readonly random: RandomSource = Math.random,
  ) {
    this.#admission = new Admission(auth, clock, logger);
    this.#lookups = new LookupLimit(clock);
  }

  /**
   * Answers one request.
   * @throws Fault if the key works no longer, or was used with an idempotency key that stands for another request or
   * answer, or with too many of them; every other failure is an answer
   */
  run(request: InferenceRequest, response: ServerResponse): Promise<void> {
    return this.exchanges.during(() => this.#run(request, response));
  }

  async #run(request: InferenceRequest, response: ServerResponse): Promise<void> {
    try {
      const { idempotency } = request;
      const keyed =
        idempotency && new IdempotentCall(this.auth, this.logger, keyedRequest(request, idempotency));
      // Before the admission: a replay counts against no limit, and needs no credit. After it: the mark, so that who is
      // refused writes nothing.
      const marked = keyed && this.#lookups.count(request.principal.accountId);
      const known = await keyed?.find();
      if (known !== undefined) return await this.#replay(request, known, response);
      const reply = await this.#admission.admit(admitRequest(request));
      if (reply.outcome === 'denied') return this.#deny(request, reply, response);
      const begun = keyed && (await this.#begin(request, keyed));
      if (begun?.kind === 'replay') return await this.#replay(request, begun, response);
      marked?.();
      if (response.destroyed) {
        await begun?.end({ kind: 'failed' });
        return await this.#giveUp(request);
      }
      await this.#exchange(request, reply, begun, response);
    } catch (error) {
      const fault = Fault.from(error);
      if (fault.spec.owner === 'client') throw fault;
      if (fault.code === 'internal_error')
        this.logger.error({ requestId: request.requestId, err: fault.cause }, fault.message);
      sendFault(response, fault, this.#commonHeaders(request, null));
    }
  }

  /** Marks an admitted request. One that came in between has the mark: then, or without an answer, it gives way. */
  async #begin(request: InferenceRequest, keyed: IdempotentCall): Promise<IdempotencyMark | Replay> {
    let begun: IdempotencyMark | Replay | undefined;
    try {
      begun = await keyed.begin();
      return begun;
    } finally {
      if (begun?.kind !== 'mark') void this.#giveUp(request);
    }
  }

  #giveUp({ requestId, principal }: InferenceRequest): Promise<void> {
    return this.#admission.giveUp(requestId, principal.accountId, true);
  }

  /** Answers as the first time: nothing is admitted and nothing charged, but the key must still be good. */
  async #replay(request: InferenceRequest, replay: Replay, response: ServerResponse): Promise<void> {
    const { accountId, keyId } = request.principal;
    const account = await this.auth.inspect({ accountId, keyId, countedAs: 'read' });
    if (account.outcome === 'cold')
      throw new Fault('service_unavailable', 'The account is being loaded. Please retry.', {
        retryAfterMs: account.retryAfterMs,
      });
    if (!account.keyActive) throw invalidApiKey();
    if (account.retryAfterMs !== null)
      throw new Fault('rate_limit_exceeded', 'Rate limit reached: too many replays per minute.', {
        retryAfterMs: account.retryAfterMs,
      });
    response.writeHead(200, {
      ...this.#commonHeaders(request, account.limits),
      'x-tunan-replayed': replay.firstRequestId,
      'content-type': 'application/json; charset=utf-8',
      'content-length': replay.body.length,
    });
    response.end(replay.body);
  }

  #deny(request: InferenceRequest, denied: Denied, response: ServerResponse): void {
    const fault = denialFault(denied, request.model.id);
    if (fault.code === 'invalid_api_key') throw fault;
    sendFault(response, fault, this.#commonHeaders(request, denied.limits));
  }

  async #exchange(
    request: InferenceRequest,
    granted: Granted,
    mark: IdempotencyMark | undefined,
    response: ServerResponse,
  ): Promise<void> {
    const abort = new AbortController();
    const { auth, clock, logger } = this;
    const settlement = new Settlement(
      auth,
      clock,
      logger,
      granted.hold,
      granted.leaseMs,
      granted.limits,
      request.traceparent,
      this.random,
    );
    const options = {
      response,
      clock,
      settlement,
      mark,
      headers: (served: Served | null) => this.#headers(request, granted, settlement.limits, served),
      abort: () => abort.abort(),
      closed: () => this.exchanges.delete(answer),
    };
    const times = answerTimes(this.times, request.timeouts, request.stream);
    const deadlineMs = request.startedMs + times.totalMs;
    const answer = request.stream
      ? new StreamAnswer({
          ...options,
          includeUsage: request.includeUsage,
          times: {
            headersAtMs: request.startedMs + times.headersMs,
            keepAliveMs: times.keepAliveMs,
            writeStallMs: this.times.writeStallMs,
          },
        })
      : new UnaryAnswer(options);
    this.exchanges.add(answer);
    try {
      const reply = await this.router.handle(
        this.#toExchange(request, granted.hold.ceiling, deadlineMs, abort.signal),
      );
      if (reply.kind === 'stream') {
        if (answer instanceof StreamAnswer) return answer.pipe(reply.body, reply.served);
        throw new Fault('internal_error', 'Internal error.', {
          internal: 'a stream came for a unary request',
        });
      }
      if (answer instanceof UnaryAnswer) return await answer.send(reply);
      throw new Fault('internal_error', 'Internal error.', { internal: 'a unary answer came for a stream' });
    } catch (error) {
      await answer.fail(this.#logged(Fault.from(error), request));
    }
  }

  #toExchange(request: InferenceRequest, ceiling: number, deadlineMs: number, signal: AbortSignal): Exchange {
    return {
      requestId: request.requestId,
      operation: request.operation,
      body: request.body,
      stream: request.stream,
      ceiling,
      includeUsage: request.includeUsage,
      strictParameters: request.strictParameters,
      deadlineMs,
      signal,
      traceparent: request.traceparent,
      caller: { accountId: request.principal.accountId, tier: request.principal.tier },
      target: undefined,
    };
  }

  #commonHeaders(request: InferenceRequest, limits: Limits | null): Record<string, string> {
    return {
      ...request.headers,
      ...(limits === null ? {} : limitHeaders(limits, this.clock.nowMs())),
      'openai-processing-ms': String(Math.round(this.clock.monotonicMs() - request.startedMs)),
    };
  }

  #headers(
    request: InferenceRequest,
    granted: Granted,
    limits: Limits,
    served: Served | null,
  ): Record<string, string> {
    return {
      ...this.#commonHeaders(request, limits),
      ...aliasHeader(request.alias),
      ...(granted.lowered ? { 'x-tunan-max-tokens': String(granted.hold.ceiling) } : {}),
      ...(served === null
        ? {}
        : {
            'x-tunan-provider': served.provider,
            'x-tunan-upstream-model': served.upstreamModel,
            'x-tunan-attempts': String(served.attempts),
            'x-tunan-fallback': String(served.fallback),
            ...(served.adapted === undefined ? {} : { 'x-tunan-adapted': served.adapted }),
          }),
    };
  }

  #logged(fault: Fault, { requestId, model }: InferenceRequest): Fault {
    const record = {
      requestId,
      model: model.id,
      fault: fault.code,
      owner: fault.spec.owner,
      internal: fault.message,
    };
    if (fault.spec.owner === 'client') this.logger.debug(record, 'request failed');
    else this.logger.warn(record, 'request failed');
    return fault;
  }
}

const keyedRequest = (
  { requestId, apiKey, principal, operation }: InferenceRequest,
  { key, body }: NonNullable<InferenceRequest['idempotency']>,
): KeyedRequest => ({
  requestId,
  apiKey,
  accountId: principal.accountId,
  keyId: principal.keyId,
  idempotencyKey: key,
  content: [operation, body],
});

const admitRequest = (request: InferenceRequest) => ({
  requestId: request.requestId,
  accountId: request.principal.accountId,
  keyId: request.principal.keyId,
  model: request.model.id,
  operation: request.operation,
  stream: request.stream,
  catalogVersion: request.catalogVersion,
  completions: request.completions,
  promptLikely: request.promptLikely,
  promptBound: request.promptBound,
  ceiling: request.ceiling,
});
