import {
  authContract,
  REPLAY_ACCOUNT_BYTES_MAX,
  REPLAY_BYTES_MAX,
  type AuthPort,
  type FindIdempotentReply,
  type IdempotentEnd,
  type IdempotentRequest,
  type SettleRequest,
} from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import type { Logger } from '@tunan/service-kit';
import { z } from 'zod';
import { withCost } from '../domain/usage-json.js';
import { AnswerSeal } from './answer-seal.js';

/** A request whose client says by which key it would know it again. */
export interface KeyedRequest {
  readonly requestId: string;
  readonly accountId: string;
  readonly keyId: string;
  readonly apiKey: string;
  readonly idempotencyKey: string;
  /** What makes it the same request: its operation and its body. */
  readonly content: readonly (string | Buffer)[];
}

/** The answer to the first request with a key, once more. */
export interface Replay {
  readonly kind: 'replay';
  readonly firstRequestId: string;
  readonly body: Buffer;
}

/** An answer before its charge is known; with all that settles it again, should this process end before that. */
const unsettledAnswer = z.object({ body: z.base64(), settle: authContract.calls.settle.request });

/** Recognises a request that a client sends again, so that an answer is billed once however often it is asked for. */
export class IdempotentCall {
  readonly #seal: AnswerSeal;
  readonly #request: IdempotentRequest;
  readonly #requestHash: string;

  constructor(
    private readonly auth: AuthPort,
    private readonly logger: Logger,
    { accountId, keyId, requestId, apiKey, idempotencyKey, content }: KeyedRequest,
  ) {
    this.#seal = new AnswerSeal(apiKey);
    this.#request = { accountId, keyId, requestId, idempotencyHash: this.#seal.hash(idempotencyKey) };
    this.#requestHash = this.#seal.hash(...content);
  }

  /**
   * The answer to the first request with this key, if there was one. Sets no mark.
   * @throws Fault 409 if the first is still running or its answer was not kept, 422 if it was another request
   */
  async find(): Promise<Replay | undefined> {
    const reply = await this.auth.findIdempotent({ ...this.#request, requestHash: this.#requestHash });
    return reply.outcome === 'none' ? undefined : this.#replay(reply);
  }

  /** Marks the first request with this key; otherwise as {@link find}. */
  async begin(): Promise<IdempotencyMark | Replay> {
    const reply = await this.auth.beginIdempotent({ ...this.#request, requestHash: this.#requestHash });
    return reply.outcome === 'begun'
      ? new IdempotencyMark(this.auth, this.logger, this.#request, this.#seal)
      : this.#replay(reply);
  }

  async #replay(reply: Exclude<FindIdempotentReply, { outcome: 'none' }>): Promise<Replay> {
    switch (reply.outcome) {
      case 'answered': {
        const opened = this.#seal.open(reply.sealed, this.#request.idempotencyHash);
        const body = reply.settled ? opened : await this.#settleFirst(reply.requestId, opened);
        return { kind: 'replay', firstRequestId: reply.requestId, body };
      }
      case 'running':
        throw new Fault(
          'idempotency_in_progress',
          `The first request with this Idempotency-Key, ${reply.requestId}, is still running.`,
        );
      case 'not-stored':
        throw new Fault(
          'answer_not_stored',
          `The request with this Idempotency-Key, ${reply.requestId}, was answered, and its answer was not kept: streams, more than ${REPLAY_BYTES_MAX / 1_024} KiB, and more than ${REPLAY_ACCOUNT_BYTES_MAX / 1_024 ** 2} MiB of an account within a day are not.`,
        );
      case 'reused':
        throw new Fault(
          'idempotency_key_reused',
          'This Idempotency-Key was used for another request. Use a new key for every new request.',
        );
    }
  }

  /** The process that had the answer ended before its bill: what it would have done is done now, with its own request. */
  async #settleFirst(requestId: string, opened: Buffer): Promise<Buffer> {
    const { body, settle } = unsettledAnswer.parse(JSON.parse(opened.toString()));
    const charge = await this.auth.settle(settle);
    const { usage, cost, flags } = charge;
    const replace = settle.usage === null || flags.length > 0;
    const whole = withCost(Buffer.from(body, 'base64'), '', { usage, cost, served: null, replace });
    const first = { ...this.#request, requestId };
    new IdempotencyMark(this.auth, this.logger, first, this.#seal).settled(whole);
    return whole;
  }
}

/** The mark of a running request. */
export class IdempotencyMark {
  readonly kind = 'mark';

  constructor(
    private readonly auth: AuthPort,
    private readonly logger: Logger,
    private readonly request: IdempotentRequest,
    private readonly seal: AnswerSeal,
  ) {}

  /** Begins the lease of the mark anew, with that of the hold. */
  renew(): void {
    void this.end({ kind: 'running' });
  }

  /**
   * Keeps a whole answer before it is settled; undefined is one of more than {@link REPLAY_BYTES_MAX}.
   * @returns false if the mark is another request's by now, which answers and is charged instead: this one must not be
   * @throws Fault if it could not be kept: an answer that is billed and lost could be billed twice
   */
  async answered(body: Buffer | undefined, settle: SettleRequest): Promise<boolean> {
    const end: IdempotentEnd =
      body === undefined
        ? { kind: 'not-stored' }
        : {
            kind: 'answered',
            settled: false,
            sealed: this.#sealed(
              JSON.stringify({
                body: body.toString('base64'),
                settle: z.encode(authContract.calls.settle.request, settle),
              }),
            ),
          };
    const { owned } = await this.auth.endIdempotent({ ...this.request, end });
    return owned;
  }

  /** Keeps the answer as the client gets it. If that fails, a replay settles once more, with the same result. */
  settled(body: Buffer | undefined): void {
    if (body === undefined) return;
    void this.end({ kind: 'answered', settled: true, sealed: this.#sealed(body) });
  }

  /** Says how the request ended. A failure is logged: the lease of the mark decides then. */
  async end(end: IdempotentEnd): Promise<void> {
    try {
      await this.auth.endIdempotent({ ...this.request, end });
    } catch (error) {
      const { requestId } = this.request;
      this.logger.warn({ requestId, err: Fault.from(error).message }, 'idempotency mark not changed');
    }
  }

  #sealed(answer: Buffer | string): string {
    return this.seal.seal(Buffer.from(answer), this.request.idempotencyHash);
  }
}
