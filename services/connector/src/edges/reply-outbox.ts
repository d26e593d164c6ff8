import type { ReplySink, ReportedUsage } from '@tunan/contracts';
import type { Fault } from '@tunan/kernel';

/** What may wait for a receiver, in bytes, before the upstream is paused. */
const WAITING_BYTES_MAX = 64 * 1024;

/** Keeps what comes before the receiver of a reply has started, and then passes everything through. */
export class ReplyOutbox {
  #sink: ReplySink | undefined;
  #waiting: { readonly bytes: Buffer; readonly outputTokens: number }[] = [];
  #waitingBytes = 0;
  #usage: { readonly usage: ReportedUsage | null; readonly frame: Buffer } | undefined;
  #ending: 'end' | Fault | undefined;

  /**
   * Delivers what waits.
   * @returns false if the receiver is full
   */
  start(sink: ReplySink): boolean {
    this.#sink = sink;
    const waiting = this.#waiting;
    this.#waiting = [];
    let flowing = true;
    for (const { bytes, outputTokens } of waiting) flowing = sink.frames(bytes, outputTokens);
    if (this.#usage !== undefined) sink.usage(this.#usage.usage, this.#usage.frame);
    if (this.#ending !== undefined) this.#finish(sink, this.#ending);
    return flowing;
  }

  /** @returns false if nothing more should come for now */
  frames(bytes: Buffer, outputTokens: number): boolean {
    if (this.#sink !== undefined) return this.#sink.frames(bytes, outputTokens);
    this.#waiting.push({ bytes, outputTokens });
    this.#waitingBytes += bytes.length;
    return this.#waitingBytes < WAITING_BYTES_MAX;
  }

  usage(usage: ReportedUsage | null, frame: Buffer): void {
    if (this.#sink === undefined) this.#usage = { usage, frame };
    else this.#sink.usage(usage, frame);
  }

  /** The last call: the answer is whole, or ends with a fault. */
  finish(ending: 'end' | Fault): void {
    if (this.#sink === undefined) this.#ending = ending;
    else this.#finish(this.#sink, ending);
  }

  #finish(sink: ReplySink, ending: 'end' | Fault): void {
    if (ending === 'end') sink.end();
    else sink.fail(ending);
  }
}
