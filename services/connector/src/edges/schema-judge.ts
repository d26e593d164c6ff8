import { Worker } from 'node:worker_threads';
import { Fault, type Clock } from '@tunan/kernel';
import { problemOf } from '@tunan/llm';
import type { Logger } from '@tunan/service-kit';

type Json = Readonly<Record<string, unknown>>;

/** Texts of one account that wait to be judged: eight completions of some requests. */
export const WAITING_PER_ACCOUNT_MAX = 64;
const WAITING_MAX = 1_024;
const WAIT_MS_MAX = 30_000;
/** What is judged is at most a few tens of MiB of text; a thread that takes more is ended. */
const HEAP_MB_MAX = 256;

/** A text to be judged by a schema, as it is handed to another thread. */
export interface JudgeJob {
  readonly schema: string;
  readonly text: string;
}

/** Says what is wrong with answers by the schemas that were asked for. */
export abstract class SchemaJudge {
  /**
   * What is wrong with a text, in one line; undefined if it fits, or can't be judged for what the schema is.
   * @throws Fault (by rejection) `overloaded` if too many wait, `service_unavailable` if the judge failed
   */
  abstract judge(account: string, schema: Json, text: string): Promise<string | undefined>;
  abstract close(): Promise<void>;
}

/** Judges on this thread, which waits: for tools that do one thing at a time. */
export class InlineSchemaJudge extends SchemaJudge {
  judge(_account: string, schema: Json, text: string): Promise<string | undefined> {
    return Promise.resolve(problemOf(JSON.stringify(schema), text));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

interface Waiting extends JudgeJob {
  readonly account: string;
  readonly sinceMs: number;
  readonly resolve: (problem: string | undefined) => void;
  readonly reject: (fault: Fault) => void;
}

const overloaded = (internal: string): Fault =>
  new Fault('overloaded', 'The service is overloaded. Please retry.', { internal, retryAfterMs: 1_000 });

const ended = (internal: string): Fault =>
  new Fault('service_unavailable', 'A part of the service failed. Please retry.', {
    internal: `the judge of answers: ${internal}`,
    retryAfterMs: 1_000,
  });

/**
 * Judges on a thread of its own, one text at a time, accounts in turn: a schema or an answer that takes its whole time
 * delays its own account's answers, and every other's by that once. The thread starts with the first text.
 */
export class ThreadSchemaJudge extends SchemaJudge {
  /** By account, the one whose turn is next first; an account with a text under way comes last when that is done. */
  readonly #waiting = new Map<string, Waiting[]>();
  #count = 0;
  #running: Waiting | undefined;
  #worker: Worker | undefined;
  #closed = false;

  constructor(
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly script: URL = new URL('./schema-judge-worker.js', import.meta.url),
  ) {
    super();
  }

  judge(account: string, schema: Json, text: string): Promise<string | undefined> {
    if (this.#closed) return Promise.reject(ended('the service shuts down'));
    const own = this.#waiting.get(account) ?? [];
    if (own.length >= WAITING_PER_ACCOUNT_MAX || this.#count >= WAITING_MAX)
      return Promise.reject(overloaded('too many answers wait to be judged'));
    return new Promise((resolve, reject) => {
      const sinceMs = this.clock.monotonicMs();
      own.push({ account, schema: JSON.stringify(schema), text, sinceMs, resolve, reject });
      this.#waiting.set(account, own);
      this.#count += 1;
      this.#next();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  #next(): void {
    while (this.#running === undefined) {
      const job = this.#take();
      if (job === undefined) return;
      if (this.#closed) {
        this.#leave(job);
        job.reject(ended('the service shuts down'));
        continue;
      }
      if (this.clock.monotonicMs() - job.sinceMs > WAIT_MS_MAX) {
        this.#leave(job);
        job.reject(overloaded('an answer waited too long to be judged'));
        continue;
      }
      this.#running = job;
      this.#worker ??= this.#start();
      this.#worker.postMessage({ schema: job.schema, text: job.text } satisfies JudgeJob);
    }
  }

  #take(): Waiting | undefined {
    const [own] = this.#waiting.values();
    if (own === undefined) return undefined;
    this.#count -= 1;
    return own.shift();
  }

  /** The next turn is another account's. */
  #leave({ account }: Waiting): void {
    const own = this.#waiting.get(account)!;
    this.#waiting.delete(account);
    if (own.length > 0) this.#waiting.set(account, own);
  }

  #start(): Worker {
    const worker = new Worker(this.script, {
      name: 'schema-judge',
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    let reason = 'it ended';
    worker.unref();
    worker.on('message', (problem: string | null) => this.#done()?.resolve(problem ?? undefined));
    worker.on('error', (error: unknown) => void (reason = String(error)));
    worker.on('exit', () => {
      this.#worker = undefined;
      const job = this.#done();
      if (job === undefined) return;
      this.logger.error({ reason }, 'the thread that judges answers ended');
      job.reject(ended(reason));
    });
    return worker;
  }

  /** The job that ran; the next begins once its caller has it. */
  #done(): Waiting | undefined {
    const job = this.#running;
    this.#running = undefined;
    if (job !== undefined) this.#leave(job);
    queueMicrotask(() => this.#next());
    return job;
  }
}
