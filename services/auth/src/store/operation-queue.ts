import { Fault, type CancelTimer, type Clock } from '@tunan/kernel';
import { codecOf, type ArgumentsOf, type OperationName, type ResultOf } from './operation-codec.js';
import type { Patience } from './machine-admission-store.js';
import { Ring } from './ring.js';
import type { ChannelListener, StoreChannel } from './store-channel.js';
import { BATCH_OPERATIONS_MAX, type BatchReply, type OperationRow, type ResultRow } from './store-host.js';

/** Opens a way to the store's host. */
export type OpenChannel = (listener: ChannelListener) => Promise<StoreChannel> | StoreChannel;

/** Bounds of an {@link OperationQueue}. */
export interface QueueOptions {
  /** Most operations that wait for their answer; further ones fail at once. */
  readonly waitingMax: number;
  /** Longest wait of an operation, in milliseconds. */
  readonly timeoutMs: Readonly<Record<Patience, number>>;
  /** Told of every batch that was answered. */
  readonly onBatch?: (batch: Pick<BatchReply, 'operations' | 'seconds'>) => void;
}

interface Waiting {
  readonly name: OperationName;
  readonly args: ArgumentsOf<OperationName>;
  readonly deadlineMs: number;
  readonly resolve: (result: never) => void;
  readonly reject: (fault: Fault) => void;
  /** Given up: its place in the order of answers remains. */
  late: boolean;
}

/** How often deadlines are looked at. */
const DEADLINE_CHECK_MS = 50;

/** A host that died is opened again after this long, doubled at each failure up to the bound. */
const REOPEN_MS = { first: 50, most: 5_000 };

const RETRY_AFTER_MS = 1_000;

const away = (internal: string): Fault =>
  new Fault('service_unavailable', 'The service is not available at the moment. Please retry.', {
    internal: `admission store: ${internal}`,
    retryAfterMs: RETRY_AFTER_MS,
  });

/**
 * The calling side of a store host. Operations of the same turn of the event loop travel in one message; answers come
 * back in order. Every operation ends: with its answer, at its deadline, or at once if too many wait or the host is
 * away. A host that dies is opened again.
 */
export class OperationQueue {
  #channel: StoreChannel | undefined;
  #generation = '';
  #outgoing: OperationRow[] = [];
  /** In the order of their answers. */
  #waiting = new Ring<Waiting>();
  #checking: CancelTimer | undefined;
  #checkAtMs = 0;
  /** The last check was late, and gave nothing up. */
  #isSpared = false;
  #cancelReopening: CancelTimer | undefined;
  #reopening: Promise<void> | undefined;
  #closed = false;
  readonly #listener: ChannelListener = {
    reply: (reply) => this.#reply(reply),
    death: (reason) => this.#died(reason),
  };

  private constructor(
    private readonly openChannel: OpenChannel,
    private readonly clock: Clock,
    private readonly options: QueueOptions,
  ) {}

  /** @throws what the host's opening throws */
  static async open(openChannel: OpenChannel, clock: Clock, options: QueueOptions): Promise<OperationQueue> {
    const queue = new OperationQueue(openChannel, clock, options);
    await queue.#connect();
    return queue;
  }

  get generation(): string {
    return this.#generation;
  }

  /** @throws Fault `service_unavailable` */
  call<Name extends OperationName>(
    name: Name,
    args: ArgumentsOf<Name>,
    patience: Patience,
  ): Promise<ResultOf<Name>> {
    return new Promise((resolve, reject) => {
      if (this.#channel === undefined)
        return reject(away(this.#closed ? 'closed' : 'its host is being restarted'));
      if (this.#waiting.size >= this.options.waitingMax)
        return reject(away(`${this.options.waitingMax} operations wait`));
      // Encoding may throw on a malformed argument: that call fails, before it has a place in the order.
      const row: OperationRow = [name, codecOf(name).encodeArguments(args)];
      if (this.#outgoing.push(row) === 1) setImmediate(() => this.#flush());
      const deadlineMs = this.clock.monotonicMs() + this.options.timeoutMs[patience];
      this.#waiting.push({ name, args, deadlineMs, resolve, reject, late: false });
      if (this.#checking === undefined) this.#checkLater();
    });
  }

  /** Answers what was called and releases the host. */
  async close(): Promise<void> {
    this.#flush();
    const channel = this.#channel;
    this.#closed = true;
    this.#channel = undefined;
    this.#cancelReopening?.();
    // A host whose opening is under way has the file's lock soon: it is closed as well.
    await Promise.all([channel?.close(), this.#reopening]);
    this.#failAll('closed');
    this.#checking?.();
  }

  async #connect(): Promise<void> {
    const channel = await this.openChannel(this.#listener);
    if (this.#closed) return channel.close();
    this.#channel = channel;
    this.#generation = channel.generation;
  }

  #flush(): void {
    const rows = this.#outgoing;
    this.#outgoing = [];
    for (let start = 0; start < rows.length; start += BATCH_OPERATIONS_MAX)
      this.#channel?.send(JSON.stringify(rows.slice(start, start + BATCH_OPERATIONS_MAX)));
  }

  #reply(reply: BatchReply): void {
    this.options.onBatch?.(reply);
    for (const row of JSON.parse(reply.results) as ResultRow[]) {
      const waiting = this.#waiting.shift();
      if (waiting !== undefined && !waiting.late) settle(waiting, row);
    }
  }

  /**
   * Gives up what has waited too long. An event loop that is late comes here before it reads the answers that have
   * arrived meanwhile: those are read first, once.
   */
  #checkDeadlines(): void {
    const nowMs = this.clock.monotonicMs();
    this.#isSpared = !this.#isSpared && nowMs - this.#checkAtMs > DEADLINE_CHECK_MS;
    if (this.#isSpared) return this.#checkLater();
    this.#checking = undefined;
    for (const waiting of this.#waiting) {
      if (waiting.late || waiting.deadlineMs > nowMs) continue;
      waiting.late = true;
      waiting.reject(away(`no answer to ${waiting.name} in time`));
    }
    if (this.#waiting.size > 0) this.#checkLater();
  }

  #checkLater(): void {
    this.#checkAtMs = this.clock.monotonicMs() + DEADLINE_CHECK_MS;
    this.#checking = this.clock.after(DEADLINE_CHECK_MS, () => this.#checkDeadlines());
  }

  #died(reason: string): void {
    this.#channel = undefined;
    this.#failAll(reason);
    this.#reopen(REOPEN_MS.first);
  }

  #reopen(delayMs: number): void {
    if (this.#closed) return;
    this.#cancelReopening = this.clock.after(delayMs, () => {
      this.#reopening = this.#connect().catch(() => this.#reopen(Math.min(delayMs * 2, REOPEN_MS.most)));
    });
  }

  #failAll(reason: string): void {
    const waiting = this.#waiting;
    this.#waiting = new Ring();
    this.#outgoing = [];
    for (const each of waiting) if (!each.late) each.reject(away(reason));
  }
}

const settle = (waiting: Waiting, [ok, result]: ResultRow): void => {
  if (ok) waiting.resolve(codecOf(waiting.name).decodeResult(result, waiting.args) as never);
  else waiting.reject(away(result));
};
