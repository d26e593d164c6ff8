import type { AnsweredToolCall, ToolCallDelta } from '@tunan/llm';

interface Call {
  readonly index: number;
  readonly id: string;
  /** Undefined until its name has come: a call without a name can't be shown. */
  opened: boolean;
  /** Arguments that came before the name. */
  waiting: string;
}

/** Which calls of an answer count, and how ids are made for calls that come without one. */
export interface ToolCallOptions {
  /** Calls beyond this many are dropped: 1 where the client forbade parallel calls and the provider does not obey. */
  readonly callsMax: number;
  /** Makes the id of a call that has none. */
  readonly newId: (index: number) => string;
  /** The client's name of a function that the provider knows by this one; the same where it is not given. */
  readonly shownName?: (name: string) => string;
}

/**
 * Brings tool call fragments into one form: indexes from 0 without gaps; id and name once, with the first fragment.
 *
 * A new non-empty id means a new call, whatever the index says, because providers repeat indexes and send −1. A fragment
 * without an id belongs to the call that was last opened under its index.
 */
export class ToolCalls {
  readonly #byId = new Map<string, Call>();
  readonly #byIndex = new Map<number, Call>();
  #last: Call | undefined;
  #count = 0;

  constructor(private readonly options: ToolCallOptions) {}

  /** Calls that a client has seen. */
  get count(): number {
    return Math.min(this.#count, this.options.callsMax);
  }

  /** Reads the `tool_calls` of a delta. */
  read(raw: unknown): readonly ToolCallDelta[] {
    if (!Array.isArray(raw)) return [];
    const deltas: ToolCallDelta[] = [];
    for (const fragment of raw) {
      const delta = typeof fragment === 'object' && fragment !== null ? this.#read(fragment) : undefined;
      if (delta !== undefined && delta.index < this.options.callsMax) deltas.push(delta);
    }
    return deltas;
  }

  #read(fragment: {
    readonly id?: unknown;
    readonly index?: unknown;
    readonly function?: unknown;
  }): ToolCallDelta | undefined {
    const { name, arguments: piece } = (fragment.function ?? {}) as { name?: unknown; arguments?: unknown };
    const text = typeof piece === 'string' ? piece : piece == null ? '' : JSON.stringify(piece);
    const call = this.#callOf(fragment.id, fragment.index, typeof name === 'string' && name !== '');
    if (call === undefined) return undefined;
    if (call.opened) return text === '' ? undefined : { index: call.index, arguments: text };
    call.waiting += text;
    if (typeof name !== 'string' || name === '') return undefined;
    call.opened = true;
    return {
      index: call.index,
      id: call.id,
      name: this.options.shownName?.(name) ?? name,
      arguments: call.waiting,
    };
  }

  #callOf(id: unknown, index: unknown, named: boolean): Call | undefined {
    const slot = typeof index === 'number' ? index : 0;
    if (typeof id === 'string' && id !== '') return this.#byId.get(id) ?? this.#open(id, slot);
    const known = this.#byIndex.get(slot);
    if (known !== undefined) return known;
    return named ? this.#open(this.options.newId(this.#count), slot) : this.#last;
  }

  #open(id: string, slot: number): Call {
    const call: Call = { index: this.#count, id, opened: false, waiting: '' };
    this.#count += 1;
    this.#byId.set(id, call);
    this.#byIndex.set(slot, call);
    this.#last = call;
    return call;
  }
}

/** Reads the `tool_calls` of a whole message. */
export const readToolCalls = (raw: unknown, options: ToolCallOptions): readonly AnsweredToolCall[] => {
  // Most messages have none.
  if (raw == null) return [];
  return new ToolCalls(options).read(raw).map((delta) => ({
    id: delta.id ?? options.newId(delta.index),
    name: delta.name ?? '',
    arguments: delta.arguments,
  }));
};
