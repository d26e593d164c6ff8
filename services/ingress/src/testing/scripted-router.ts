import {
  ExchangeHandler,
  type Exchange,
  type ExchangeReply,
  type ReplySink,
  type Served,
} from '@tunan/contracts';
import type { Fault } from '@tunan/kernel';

/** What {@link ScriptedRouter} says of itself. */
export const SERVED: Served = {
  provider: 'deepseek',
  upstreamModel: 'm',
  channel: 'c',
  attempts: 1,
  fallback: false,
};
/** What {@link ScriptedRouter} reports. */
export const SERVED_USAGE = { prompt: 8, cachedPrompt: 0, completion: 9, reasoning: 0 };

/** A router that a test leads by hand. */
export class ScriptedRouter extends ExchangeHandler {
  exchange!: Exchange;
  #answer!: (reply: ExchangeReply) => void;
  #refuse!: (fault: Fault) => void;
  #called!: () => void;
  readonly called = new Promise<void>((resolve) => (this.#called = resolve));
  resumed = 0;

  handle(exchange: Exchange): Promise<ExchangeReply> {
    this.exchange = exchange;
    this.#called();
    return new Promise((resolve, reject) => {
      this.#answer = resolve;
      this.#refuse = reject;
    });
  }

  /** @param head what comes before `body`, in pieces */
  unary(body: string, head?: readonly Buffer[]): void {
    this.#answer({
      kind: 'unary',
      served: SERVED,
      ...(head === undefined ? {} : { head }),
      body: Buffer.from(body),
      usage: SERVED_USAGE,
      outputTokens: 9,
    });
  }

  /** Answers with a stream and returns the sink that it flows into. */
  stream(): Promise<ReplySink> {
    return new Promise((resolve) => {
      const body = { start: (sink: ReplySink) => resolve(sink), resume: () => void (this.resumed += 1) };
      this.#answer({ kind: 'stream', served: SERVED, body });
    });
  }

  fail(fault: Fault): void {
    this.#refuse(fault);
  }
}
