import {
  ExchangeHandler,
  type Exchange,
  type ExchangeReply,
  type ReplySink,
  type Served,
} from '@tunan/contracts';
import { Fault, type Clock } from '@tunan/kernel';
import type { AnswerEnd, ReportedUsage, Story } from './request-plan.js';

const SERVED: Served = {
  provider: 'deepseek',
  upstreamModel: 'deepseek-chat',
  channel: 'main',
  attempts: 1,
  fallback: false,
};

const USAGE_FRAME = Buffer.from('data: {"choices":[],"usage":{"prompt_tokens":0}}\n\n');
const UNARY_BODY = Buffer.from('{"choices":[],"usage":{"prompt_tokens":0}}');

/** Router, connector and provider in one: does what the plan of the request says, and writes down what it did. */
export class SimulatedProvider extends ExchangeHandler {
  constructor(
    private readonly clock: Clock,
    private readonly storyOf: (requestId: string) => Story,
  ) {
    super();
  }

  override handle(exchange: Exchange): Promise<ExchangeReply> {
    const story = this.storyOf(exchange.requestId);
    story.ceiling = exchange.ceiling;
    const answer = new Answer(story, exchange.signal, this.clock);
    return answer.begin();
  }
}

/** One answer on its way. */
class Answer {
  readonly #reply = Promise.withResolvers<ExchangeReply>();
  #sink: ReplySink | undefined;
  #tokens = 0;
  #next = 0;
  #ended = false;

  constructor(
    private readonly story: Story,
    signal: AbortSignal,
    private readonly clock: Clock,
  ) {
    signal.addEventListener('abort', () => {
      if (!story.plan.provider.drains) this.#stop(new Fault('client_closed', 'The client went away.'));
    });
  }

  begin(): Promise<ExchangeReply> {
    const { plan } = this.story;
    this.clock.after(plan.provider.answersAfterMs, () => {
      if (this.#ended) return;
      if (plan.provider.refuses) return this.#refuse(new Fault('upstream_error', 'It failed.'));
      if (!plan.stream) return this.#flow();
      const body = { start: (sink: ReplySink) => this.#start(sink), resume: () => undefined };
      this.#reply.resolve({ kind: 'stream', served: SERVED, body });
    });
    return this.#reply.promise;
  }

  #start(sink: ReplySink): void {
    this.#sink = sink;
    this.#flow();
  }

  #flow(): void {
    const { chunks } = this.story.plan.provider;
    const chunk = chunks[this.#next];
    if (chunk === undefined) return this.#finish();
    this.#next += 1;
    this.clock.after(chunk.afterMs, () => {
      if (this.#ended) return;
      const tokens = Math.min(chunk.tokens, this.#most - this.#tokens);
      this.#tokens += tokens;
      if (tokens > 0) this.#sink?.frames(Buffer.from(`data: {"tokens":${tokens}}\n\n`), tokens);
      this.#flow();
    });
  }

  #finish(): void {
    if (!this.story.plan.provider.whole)
      return this.#stop(new Fault('upstream_stream_cut', 'The answer was cut off.'));
    this.#ended = true;
    const usage = this.#usage();
    this.#record('whole', usage);
    if (this.#sink === undefined)
      return this.#reply.resolve({
        kind: 'unary',
        served: SERVED,
        body: UNARY_BODY,
        usage,
        outputTokens: this.#tokens,
      });
    this.#sink.usage(usage, USAGE_FRAME);
    this.#sink.end();
  }

  /** Ends without a whole answer; what had been used may still be told. */
  #stop(fault: Fault): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#sink === undefined) return this.#endBeforeContent(fault);
    const usage = fault.code === 'client_closed' ? null : this.#usage();
    this.#record('failed', usage);
    this.#sink.usage(usage, USAGE_FRAME);
    this.#sink.fail(fault);
  }

  /** A stream whose client left before any content says who was asked, and ends at once. */
  #endBeforeContent(fault: Fault): void {
    if (!this.story.plan.stream) return this.#refuse(fault);
    this.#record('failed', null);
    const start = (sink: ReplySink): void => {
      sink.usage(null, USAGE_FRAME);
      sink.fail(fault);
    };
    this.#reply.resolve({ kind: 'stream', served: SERVED, body: { start, resume: () => undefined } });
  }

  #refuse(fault: Fault): void {
    this.#ended = true;
    this.#record('refused', null);
    this.#reply.reject(fault);
  }

  #record(how: AnswerEnd['how'], reported: ReportedUsage | null): void {
    this.story.produced = this.#tokens;
    this.story.providerEnd = { atMs: this.clock.nowMs(), how, reported };
  }

  get #most(): number {
    return this.story.ceiling! * this.story.plan.completions;
  }

  #usage(): ReportedUsage | null {
    const { completions, promptBound, provider } = this.story.plan;
    const { prompt, cachedPrompt } = provider;
    const real = { prompt, cachedPrompt, completion: this.#tokens, reasoning: 0 };
    switch (provider.report) {
      case 'real':
        return real;
      case 'missing':
        return null;
      case 'zero':
        return { prompt: 0, cachedPrompt: 0, completion: 0, reasoning: 0 };
      case 'above':
        return { ...real, prompt: promptBound * completions, completion: this.#most + 200 * completions };
      case 'impossible':
        return provider.impossible;
    }
  }
}
