import type { ReplySink, ReplyStream, ReportedUsage } from '@tunan/contracts';
import type { Fault } from '@tunan/kernel';

/** Passes a stream through unchanged and tells how it failed, if it does. */
export class WatchedStream implements ReplyStream, ReplySink {
  #sink!: ReplySink;

  constructor(
    private readonly stream: ReplyStream,
    private readonly onFailed: (fault: Fault) => void,
  ) {}

  start(sink: ReplySink): void {
    this.#sink = sink;
    this.stream.start(this);
  }

  resume(): void {
    this.stream.resume();
  }

  frames(bytes: Buffer, outputTokens: number): boolean {
    return this.#sink.frames(bytes, outputTokens);
  }

  usage(usage: ReportedUsage | null, frame: Buffer): void {
    this.#sink.usage(usage, frame);
  }

  end(): void {
    this.#sink.end();
  }

  fail(fault: Fault): void {
    this.onFailed(fault);
    this.#sink.fail(fault);
  }
}
