import type {
  Exchange,
  ExchangeReply,
  ReplySink,
  ReplyStream,
  Served,
  ReportedUsage,
} from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { addUsage, ChunkEncoder, type AnswerIdentity } from '@tunan/llm';

/** How one of several completions is opened, and what their common stream looks like. */
export interface CompletionsOptions {
  readonly identity: AnswerIdentity;
  readonly served: Served;
  readonly open: (exchange: Exchange, choice: number) => Promise<ExchangeReply>;
}

/**
 * Several completions of one prompt (`n`) as one stream. No provider has `n`, so each completion is a call of its own,
 * with its own index in the frames. Resolves when every completion has content: until then all of them can still be
 * tried elsewhere. If one fails, the whole fails.
 */
export const openCompletions = async (
  exchange: Exchange,
  count: number,
  options: CompletionsOptions,
): Promise<ExchangeReply> => {
  const failure = new AbortController();
  const one: Exchange = { ...exchange, signal: AbortSignal.any([exchange.signal, failure.signal]) };
  try {
    const replies = await Promise.all(
      Array.from({ length: count }, (_, choice) => options.open(one, choice)),
    );
    const bodies = replies.map((reply) => {
      if (reply.kind === 'stream') return reply.body;
      throw new Fault('internal_error', 'Internal error.', { internal: 'a unary answer for a stream' });
    });
    const encoder = new ChunkEncoder({ ...options.identity, includeUsage: exchange.includeUsage, choice: 0 });
    return {
      kind: 'stream',
      served: options.served,
      body: new Completions(bodies, encoder, () => failure.abort()),
    };
  } catch (error) {
    failure.abort();
    throw error;
  }
};

/** Stands in the usage chunk where a completion reported none; settlement replaces it. */
const UNKNOWN: ReportedUsage = { prompt: 0, cachedPrompt: 0, completion: 0, reasoning: 0 };

/** The common stream. Usages are added up; it ends with the last completion, or with the first that fails. */
class Completions implements ReplyStream {
  #sink!: ReplySink;
  #open: number;
  #usage: ReportedUsage | null = UNKNOWN;
  #ended = false;

  constructor(
    private readonly bodies: readonly ReplyStream[],
    private readonly encoder: ChunkEncoder,
    private readonly abandonOthers: () => void,
  ) {
    this.#open = bodies.length;
  }

  start(sink: ReplySink): void {
    this.#sink = sink;
    for (const body of this.bodies) body.start(this.#part());
  }

  resume(): void {
    for (const body of this.bodies) body.resume();
  }

  #part(): ReplySink {
    let reported: ReportedUsage | null = null;
    return {
      frames: (bytes, outputTokens) => this.#ended || this.#sink.frames(bytes, outputTokens),
      usage: (usage) => void (reported = usage),
      end: () => this.#partEnded(reported, undefined),
      fail: (fault) => this.#partEnded(reported, fault),
    };
  }

  #partEnded(usage: ReportedUsage | null, fault: Fault | undefined): void {
    if (this.#ended) return;
    this.#open -= 1;
    this.#usage = this.#usage === null || usage === null ? null : addUsage(this.#usage, usage);
    // Where the client left, every part ends by itself and may still report what is charged.
    if (fault !== undefined && fault.code !== 'client_closed') {
      this.#ended = true;
      this.abandonOthers();
      return this.#sink.fail(fault);
    }
    if (this.#open > 0) return;
    this.#ended = true;
    if (this.#usage !== null || fault === undefined)
      this.#sink.usage(this.#usage, Buffer.from(this.encoder.usage(this.#usage ?? UNKNOWN)));
    if (fault === undefined) this.#sink.end();
    else this.#sink.fail(fault);
  }
}
