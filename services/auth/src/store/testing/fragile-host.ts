import type { TestClock } from '@tunan/kernel/testing';
import type { StoredState, StoreLimits } from '../../domain/admission-state.js';
import { requestIdOf } from '../../domain/request-record.js';
import { Journal, type Commit } from '../journal.js';
import type { OperationName } from '../operation-codec.js';
import type { ChannelListener, StoreChannel } from '../store-channel.js';
import { StoreHost, type OperationRow } from '../store-host.js';
import type { Disk } from './disk.js';

/** Who is told what happens in a host, at the moment at which it happens. */
export interface HostObserver {
  /**
   * The state was read from the journal.
   * @param opened by a new process, else after a commit that failed
   * @param requestIds the order in which requests are kept at rest
   */
  loaded(opened: boolean, requestIds: readonly string[]): void;
  /**
   * A batch was made, or refused, which its commit decides; it is not answered yet.
   * @param commitMs how long the commit took
   */
  made(
    batch: readonly (readonly [name: OperationName, ok: boolean])[],
    host: StoreHost,
    commitMs: number,
  ): void;
  /** The host is dead: what was not answered will not be. */
  died(): void;
}

/** A store's host that can be killed, before or after a commit, and whose commits can be made to fail. */
export class FragileHost {
  #host: StoreHost | undefined;
  #listener: ChannelListener | undefined;
  #failures = 0;
  #slowMs = 0;
  #diesAfterCommit = false;

  constructor(
    private readonly clock: TestClock,
    private readonly disk: Disk,
    private readonly limits: StoreLimits,
    private readonly observer: HostObserver,
  ) {}

  get isOpen(): boolean {
    return this.#host !== undefined;
  }

  /** Opens the host on what its disk has. */
  open(listener: ChannelListener): StoreChannel {
    const host = new StoreHost(this.clock, this.limits, this.#watched(this.disk.open()));
    this.#host = host;
    this.#listener = listener;
    return {
      generation: host.generation,
      send: (batch) => {
        if (this.#host === host) this.#send(host, listener, batch);
      },
      close: () => {
        this.#host = undefined;
        return Promise.resolve();
      },
    };
  }

  /** The next commits fail, as on a full disk. */
  failCommits(count: number): void {
    this.#failures = count;
  }

  /** The next commit takes this long, as on a disk that hangs. */
  slowCommit(ms: number): void {
    this.#slowMs = ms;
  }

  /** Kills the host between two batches, or once its next one is committed and before it is answered. */
  kill(when: 'now' | 'after-commit'): void {
    if (when === 'after-commit') this.#diesAfterCommit = true;
    else if (this.#host !== undefined) this.#die();
  }

  /** Takes back what is to go wrong and has not yet. */
  spare(): void {
    this.#failures = this.#slowMs = 0;
    this.#diesAfterCommit = false;
  }

  #send(host: StoreHost, listener: ChannelListener, batch: string): void {
    const rows = JSON.parse(batch) as OperationRow[];
    const beganMs = this.clock.nowMs();
    const results = host.run(rows);
    this.observer.made(
      rows.map(([name], index) => [name, results[index]![0]] as const),
      host,
      this.clock.nowMs() - beganMs,
    );
    if (this.#diesAfterCommit) return this.#die();
    const reply = { results: JSON.stringify(results), operations: rows.length, seconds: 0 };
    queueMicrotask(() => {
      if (this.#host === host) listener.reply(reply);
    });
  }

  #die(): void {
    this.#host = undefined;
    this.#diesAfterCommit = false;
    this.disk.kill();
    this.observer.died();
    this.#listener!.death('killed');
  }

  #watched(journal: Journal): Journal {
    return new WatchedJournal(
      journal,
      (loads, { records }) => this.observer.loaded(loads === 1, records.map(requestIdOf)),
      () => {
        if (this.#failures === 0) return;
        this.#failures -= 1;
        throw new Error('the disk is full');
      },
      () => {
        const ms = this.#slowMs;
        this.#slowMs = 0;
        this.clock.advance(ms);
      },
    );
  }
}

class WatchedJournal extends Journal {
  #loads = 0;

  constructor(
    private readonly journal: Journal,
    private readonly onLoad: (loads: number, state: StoredState) => void,
    private readonly beforeCommit: () => void,
    private readonly afterCommit: () => void,
  ) {
    super();
  }

  override load(): StoredState {
    const state = this.journal.load();
    this.onLoad((this.#loads += 1), state);
    return state;
  }

  override commit(commit: Commit): void {
    this.beforeCommit();
    this.journal.commit(commit);
    this.afterCommit();
  }

  override close(): void {
    this.journal.close();
  }
}
