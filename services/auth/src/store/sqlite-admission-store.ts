import type { Clock } from '@tunan/kernel';
import { MachineAdmissionStore, type Patience } from './machine-admission-store.js';
import type { ArgumentsOf, OperationName, ResultOf } from './operation-codec.js';
import { OperationQueue, type OpenChannel, type QueueOptions } from './operation-queue.js';

/**
 * The admission store of one process: the state machine and its SQLite journal behind a queue, on a thread of its
 * own. One host per data folder; a second one is refused by the file's lock.
 */
export class SqliteAdmissionStore extends MachineAdmissionStore {
  protected constructor(private readonly queue: OperationQueue) {
    super();
  }

  /** @throws StoreLockedError if another process uses the same file */
  static async open(
    openChannel: OpenChannel,
    clock: Clock,
    options: QueueOptions,
  ): Promise<SqliteAdmissionStore> {
    return new SqliteAdmissionStore(await OperationQueue.open(openChannel, clock, options));
  }

  override generation(): Promise<string> {
    return Promise.resolve(this.queue.generation);
  }

  override close(): Promise<void> {
    return this.queue.close();
  }

  protected override operate<Name extends OperationName>(
    name: Name,
    args: ArgumentsOf<Name>,
    patience: Patience,
  ): Promise<ResultOf<Name>> {
    return this.queue.call(name, args, patience);
  }
}
