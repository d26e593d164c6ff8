import { BehaviourError, readBehaviour, type Behaviour, type RawBehaviour } from '../domain/behaviour.js';
import { readDirectives } from '../domain/directive.js';
import { records, textOf } from '../domain/message.js';
import type { CallFacts, ScriptBook } from '../domain/script-book.js';

type Body = Readonly<Record<string, unknown>>;

/** What was asked of one answer, and by which script. */
export interface Asked {
  readonly nonce: string | null;
  readonly raw: RawBehaviour | undefined;
  readonly script: string | null;
  /** The behaviour with the defaults in it, or why what was asked means nothing. */
  readonly behaviour: Behaviour | BehaviourError;
}

const NONCE_CHARS_MAX = 200;

/** The texts in which directives are looked for: user messages, and texts to embed. */
const directiveText = (body: Body): string => {
  const { input } = body;
  const inputs = typeof input === 'string' ? [input] : Array.isArray(input) ? input.map(String) : [];
  const messages = records(body['messages']).filter((message) => message['role'] === 'user');
  return [...messages.map((message) => textOf(message['content'])), ...inputs].join('\n');
};

/** Finds what is asked of a call: directives in the body, over them the script, under them the defaults. */
export class BehaviourSource {
  readonly #defaults: Behaviour;

  constructor(
    private readonly scripts: ScriptBook,
    private readonly rawDefaults: RawBehaviour,
  ) {
    this.#defaults = readBehaviour(rawDefaults);
  }

  /** @param facts the call, as far as it is known without its body; undefined fits no script */
  ask(body: Body, facts: Pick<CallFacts, 'provider' | 'operation' | 'key'> | undefined): Asked {
    let nonce: string | null = null;
    try {
      const directives = readDirectives(directiveText(body));
      nonce = directives?.nonce?.slice(0, NONCE_CHARS_MAX) ?? null;
      const model = typeof body['model'] === 'string' ? body['model'] : undefined;
      const script = facts && this.scripts.take({ ...facts, model, nonce: nonce ?? undefined });
      const raw = script === undefined ? directives : { ...directives, ...script.behaviour };
      const behaviour = raw === undefined ? this.#defaults : readBehaviour({ ...this.rawDefaults, ...raw });
      // A script may name the call that a client could not mark.
      return { nonce: nonce ?? raw?.nonce ?? null, raw, script: script?.id ?? null, behaviour };
    } catch (error) {
      if (!(error instanceof BehaviourError)) throw error;
      return { nonce, raw: undefined, script: null, behaviour: error };
    }
  }
}
