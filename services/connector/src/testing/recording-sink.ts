import type { ExchangeReply, ReplySink, ReplyStream, ReportedUsage } from '@tunan/contracts';
import type { Fault } from '@tunan/kernel';

/** Everything that a stream delivers, as its receiver sees it. */
export class RecordingSink implements ReplySink {
  text = '';
  outputTokens = 0;
  reported: { readonly usage: ReportedUsage | null; readonly frame: string } | undefined;
  ending: 'end' | Fault | undefined;
  /** What `frames` answers: false asks for a pause. */
  flowing = true;
  frameCalls = 0;
  readonly ended: Promise<'end' | Fault>;
  #resolve!: (ending: 'end' | Fault) => void;

  constructor() {
    this.ended = new Promise((resolve) => (this.#resolve = resolve));
  }

  /** Starts a stream and resolves with the sink once it has ended. */
  static async drain(reply: ExchangeReply): Promise<RecordingSink> {
    const sink = new RecordingSink();
    streamOf(reply).start(sink);
    await sink.ended;
    return sink;
  }

  frames(bytes: Buffer, outputTokens: number): boolean {
    if (this.ending !== undefined || this.reported !== undefined) throw new Error('frames after the end');
    this.text += bytes.toString();
    this.outputTokens += outputTokens;
    this.frameCalls += 1;
    return this.flowing;
  }

  usage(usage: ReportedUsage | null, frame: Buffer): void {
    if (this.ending !== undefined || this.reported !== undefined)
      throw new Error('usage twice or after the end');
    this.reported = { usage, frame: frame.toString() };
  }

  end(): void {
    this.#finish('end');
  }

  fail(fault: Fault): void {
    this.#finish(fault);
  }

  /** The chunks delivered, parsed. */
  get chunks(): readonly Chunk[] {
    return this.text
      .split('\n\n')
      .filter((frame) => frame !== '')
      .map((frame) => JSON.parse(frame.replace(/^data: /, '')) as Chunk);
  }

  /** All content of the first choice. */
  get content(): string {
    return this.chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
  }

  get finishReasons(): readonly string[] {
    return this.chunks
      .flatMap((chunk) => chunk.choices.map((choice) => choice.finish_reason))
      .filter((reason) => reason !== null);
  }

  #finish(ending: 'end' | Fault): void {
    if (this.ending !== undefined) throw new Error('ended twice');
    this.ending = ending;
    this.#resolve(ending);
  }
}

/** A chunk as an OpenAI client reads it. */
export interface Chunk {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly usage?: unknown;
  readonly choices: readonly {
    readonly index: number;
    readonly finish_reason: string | null;
    readonly delta: {
      readonly role?: string;
      readonly content?: string | null;
      readonly reasoning_content?: string;
      readonly tool_calls?: readonly {
        readonly index: number;
        readonly id?: string;
        readonly type?: string;
        readonly function: { readonly name?: string; readonly arguments: string };
      }[];
    };
  }[];
}

/** The body of a reply that must be a stream. */
export const streamOf = (reply: ExchangeReply): ReplyStream => {
  if (reply.kind === 'stream') return reply.body;
  throw new Error('not a stream');
};
