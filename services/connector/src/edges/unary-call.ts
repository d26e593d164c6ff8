import type { Exchange, Target } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { providerFault } from '../domain/vendor-error.js';
import { clientClosed, UpstreamCall, type CallContext } from './upstream-call.js';

/** Largest answer, in bytes. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
/** Below this a model is taken to hang. Unstreamed, its first byte comes with its last token. */
const TOKENS_PER_S_MIN = 30;
const BLANKS: Readonly<Record<number, true>> = { 0x09: true, 0x0a: true, 0x0d: true, 0x20: true };

/** One unary call. Its answer is worth something only as a whole, so whoever leaves early leaves nothing. */
export class UnaryCall<Answer> extends UpstreamCall {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #begun = false;
  #resolve!: (answer: Answer) => void;
  #reject!: (fault: Fault) => void;

  private constructor(
    context: CallContext,
    exchange: Exchange,
    target: Target,
    private readonly read: (body: Buffer) => Answer,
  ) {
    super(context, exchange, target);
  }

  /**
   * Posts a body and resolves with what `read` makes of a 2xx answer.
   * @throws Fault (by rejection), also what `read` throws
   */
  static send<Answer>(
    context: CallContext,
    exchange: Exchange,
    target: Target,
    request: { readonly path: string; readonly body: Buffer; readonly read: (body: Buffer) => Answer },
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const call = new UnaryCall(context, exchange, target, request.read);
      call.#resolve = resolve;
      call.#reject = reject;
      call.dispatch(request.path, request.body, false);
    });
  }

  protected override sent(): void {
    const longestMs = (this.exchange.ceiling / TOKENS_PER_S_MIN) * 1_000;
    this.watchdog.begin('first-byte', Math.max(this.target.timeouts.unaryFirstByteMs, longestMs));
  }

  protected override answerBegins(): void {}

  protected override answerBytes(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > ANSWER_BYTES_MAX)
      return this.abandon(
        providerFault('upstream_error', `${this.context.dialect.id}: over ${ANSWER_BYTES_MAX} bytes`),
      );
    this.#chunks.push(chunk);
    if (this.#begun) return;
    // Blank lines keep the connection open while a request waits; they are not the answer.
    if (chunk.every((byte) => BLANKS[byte] === true)) return;
    this.#begun = true;
    this.watchdog.endPhase();
    this.watchdog.watchBytes(this.target.timeouts.idleMs);
  }

  protected override answerEnds(): void {
    this.over();
    try {
      this.#resolve(this.read(this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)));
    } catch (error) {
      this.#reject(Fault.from(error));
    }
  }

  protected override failed(fault: Fault): void {
    this.#reject(fault);
  }

  protected override clientLeft(): void {
    this.abandon(clientClosed());
  }
}
