import { Fault, type Clock } from '@tunan/kernel';
import type { Chance } from './chance.js';
import type { Process } from './process.js';

/** Probabilities, per call, of what can go wrong on the way. */
export interface LinkFaults {
  readonly lostRequest: number;
  readonly lostReply: number;
  /** The request arrives a second time, later. */
  readonly duplicate: number;
  /** A leg takes long enough to be overtaken and to time out. */
  readonly slow: number;
  /** One of the two processes is killed at some step of the call. */
  readonly kill: number;
}

export const NO_FAULTS: LinkFaults = { lostRequest: 0, lostReply: 0, duplicate: 0, slow: 0, kill: 0 };

/** What a link needs of its world. */
export interface LinkWorld {
  readonly time: Clock;
  readonly chance: Chance;
  readonly trace: (...parts: readonly string[]) => void;
  readonly kill: (process: Process) => void;
}

/** Where a link leads and how it behaves. */
export interface LinkOptions {
  readonly name: string;
  readonly from: Process;
  /** Whoever is at the other end at the moment; undefined if nobody is. */
  readonly to: () => Process | undefined;
  /** Usual time of one leg, in milliseconds, at most. */
  readonly legMs: number;
  readonly timeoutMs: (what: string) => number;
  readonly faults: () => LinkFaults;
  /** True during an outage: nothing passes. */
  readonly isDown: () => boolean;
}

const SLOW_MS = 4_000;

/** Which process is killed, and at which step of a call. */
const KILLS = ['caller waits', 'callee is asked', 'callee has done it', 'caller is answered'] as const;

const unavailable = (internal: string): Fault =>
  new Fault('service_unavailable', 'The service is not available.', { internal, retryAfterMs: 1_000 });

/**
 * Calls from one process to another, or to its store or database, with everything that can happen between the
 * two: a call that fails says nothing about whether it was carried out.
 */
export class Link {
  constructor(
    private readonly world: LinkWorld,
    private readonly options: LinkOptions,
  ) {}

  /** @param about what the call is about, for the trace */
  call<T>(what: string, work: () => Promise<T>, about = ''): Promise<T> {
    const { time, chance, trace, kill } = this.world;
    const { name, from, timeoutMs } = this.options;
    const faults = this.options.faults();
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (!from.alive) return promise;
    const killed = chance.happens(faults.kill) ? chance.pick(KILLS) : undefined;
    const killIf = (step: (typeof KILLS)[number], process: Process): void => {
      if (killed === step && process.alive) kill(process);
    };
    trace(name, what, about);
    const cancelTimeout = from.after(timeoutMs(what), () =>
      reject(unavailable(`${name}: ${what} timed out`)),
    );
    const answer = (deliver: () => void): void => {
      if (!from.alive) return;
      cancelTimeout();
      killIf('caller is answered', from);
      if (from.alive) deliver();
    };
    const leave = (callee: Process, how: string, deliver: () => void): void => {
      if (!callee.alive) return;
      killIf('callee has done it', callee);
      if (!callee.alive || chance.happens(faults.lostReply) || this.options.isDown()) return;
      time.after(this.#legMs(faults), () => {
        trace(name, what, about, how);
        answer(deliver);
      });
    };
    const arrive = (): void => {
      const callee = this.options.to();
      if (callee === undefined || !callee.alive || this.options.isDown()) return;
      killIf('callee is asked', callee);
      if (!callee.alive) return;
      trace(name, what, about, 'arrives');
      work().then(
        (value) => leave(callee, 'done', () => resolve(value)),
        (error: unknown) => leave(callee, 'failed', () => reject(error)),
      );
    };
    if (!chance.happens(faults.lostRequest)) time.after(this.#legMs(faults), arrive);
    if (chance.happens(faults.duplicate)) time.after(chance.between(0, SLOW_MS), arrive);
    killIf('caller waits', from);
    return promise;
  }

  #legMs(faults: LinkFaults): number {
    const { chance } = this.world;
    return chance.happens(faults.slow) ? chance.between(0, SLOW_MS) : chance.between(0, this.options.legMs);
  }
}

/** An object whose methods are calls over a link. */
export const through = <T extends object>(link: Link, target: () => T): T =>
  new Proxy({} as T, {
    get: (_, name) => {
      const object = target();
      const member = Reflect.get(object, name) as unknown;
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) =>
        link.call(
          String(name),
          () => Reflect.apply(member, object, args) as Promise<unknown>,
          subjectOf(args[0]),
        );
    },
  });

/** The request that a call is about, or what else it names first. */
const subjectOf = (argument: unknown): string => {
  if (typeof argument === 'string') return argument;
  if (typeof argument !== 'object' || argument === null) return '';
  const { requestId, hold } = argument as { requestId?: string; hold?: { requestId: string } };
  return requestId ?? hold?.requestId ?? '';
};
