import { PROVIDER_IDS, type ProviderId } from '@tunan/contracts';
import { z } from 'zod';
import { BehaviourError, readBehaviour, type RawBehaviour } from './behaviour.js';

/** The calls of a provider's API that the simulator answers. */
export const OPERATIONS = ['chat', 'embeddings', 'models', 'balance'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Most scripts at a time. */
const SCRIPTS_MAX = 1_000;

const match = z.strictObject({
  provider: z.enum(PROVIDER_IDS).optional(),
  /** The model as the provider is asked for it. */
  model: z.string().max(200).optional(),
  nonce: z.string().max(200).optional(),
  /** Without it chat and embeddings. */
  operation: z.enum(OPERATIONS).optional(),
  /** The bearer key that the call came with. */
  key: z.string().max(200).optional(),
  /** How many calls it applies to; without it every one. */
  times: z.int().min(1).max(1_000_000_000).optional(),
  /** Applies to the first of so many matching calls, then again to the first of as many. */
  every: z.int().min(1).max(1_000_000).optional(),
});

const script = z.strictObject({ match: match.default({}), behaviour: z.record(z.string(), z.unknown()) });

/** Which calls a script is for. */
export type ScriptMatch = z.output<typeof match>;

/** What a call is matched by. */
export interface CallFacts {
  readonly provider: ProviderId;
  readonly operation: Operation;
  readonly model: string | undefined;
  readonly nonce: string | undefined;
  readonly key: string | undefined;
}

/** A script and how often it has met and applied to a call. */
export interface Script {
  readonly id: string;
  readonly match: ScriptMatch;
  readonly behaviour: RawBehaviour;
  matched: number;
  applied: number;
}

const fits = (rule: ScriptMatch, call: CallFacts): boolean =>
  (rule.provider === undefined || rule.provider === call.provider) &&
  (rule.model === undefined || rule.model === call.model) &&
  (rule.nonce === undefined || rule.nonce === call.nonce) &&
  (rule.key === undefined || rule.key === call.key) &&
  (rule.operation === undefined
    ? call.operation === 'chat' || call.operation === 'embeddings'
    : rule.operation === call.operation);

/** Behaviours that tests have laid down for calls to come. The first script that fits a call applies, alone. */
export class ScriptBook {
  readonly #scripts: Script[] = [];
  #created = 0;

  /**
   * Adds a script after the others.
   * @throws BehaviourError if it means nothing or there are too many
   */
  add(raw: unknown): Script {
    const parsed = script.safeParse(raw);
    if (!parsed.success)
      throw new BehaviourError(
        parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '),
      );
    if (this.#scripts.length >= SCRIPTS_MAX) this.#removeUsedUp();
    if (this.#scripts.length >= SCRIPTS_MAX) throw new BehaviourError(`at most ${SCRIPTS_MAX} scripts`);
    readBehaviour(parsed.data.behaviour);
    const added: Script = {
      id: `script-${(this.#created += 1)}`,
      match: parsed.data.match,
      behaviour: parsed.data.behaviour,
      matched: 0,
      applied: 0,
    };
    this.#scripts.push(added);
    return added;
  }

  /** Removes a script; all of them without an id. Returns how many went. */
  remove(id?: string): number {
    const before = this.#scripts.length;
    for (let i = before - 1; i >= 0; i -= 1)
      if (id === undefined || this.#scripts[i]!.id === id) this.#scripts.splice(i, 1);
    return before - this.#scripts.length;
  }

  /** The script for a call, used once by this. A script that is used up stays listed and fits nothing. */
  take(call: CallFacts): Script | undefined {
    for (const candidate of this.#scripts) {
      const { times, every } = candidate.match;
      if ((times !== undefined && candidate.applied >= times) || !fits(candidate.match, call)) continue;
      candidate.matched += 1;
      if (every !== undefined && (candidate.matched - 1) % every !== 0) continue;
      candidate.applied += 1;
      return candidate;
    }
    return undefined;
  }

  #removeUsedUp(): void {
    for (const { id, match: rule, applied } of [...this.#scripts])
      if (rule.times !== undefined && applied >= rule.times) this.remove(id);
  }

  get all(): readonly Script[] {
    return this.#scripts;
  }
}
