/** A price in nano-dollars per million tokens. */
export interface Price {
  readonly input: bigint;
  readonly cachedInput: bigint;
  readonly output: bigint;
}

/** What a provider reports; sums over all completions. */
export interface ReportedUsage {
  readonly prompt: number;
  readonly cachedPrompt: number;
  readonly completion: number;
  readonly reasoning: number;
}

/**
 * What the provider will say of its usage: the truth, nothing, zero, more than the hold expects but possible, or what
 * cannot be.
 */
export type Report = 'real' | 'missing' | 'zero' | 'above' | 'impossible';

/** What one client asks for and what its provider will do. Drawn from the seed before anything runs. */
export interface RequestPlan {
  readonly requestId: string;
  readonly accountId: string;
  readonly keyId: string;
  readonly atMs: number;
  readonly gateway: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly completions: number;
  /** Per completion, as the gateway estimates it. */
  readonly promptLikely: number;
  readonly promptBound: number;
  readonly ceiling: number | null;
  /** The client leaves this long after asking, if it has no whole answer by then. */
  readonly leavesAfterMs: number | null;
  readonly provider: ProviderPlan;
}

export interface ProviderPlan {
  /** Answers with a fault before any content. */
  readonly refuses: boolean;
  readonly answersAfterMs: number;
  readonly chunks: readonly { readonly afterMs: number; readonly tokens: number }[];
  /** False: the answer is cut after its chunks. */
  readonly whole: boolean;
  readonly report: Report;
  /** Real prompt tokens of all completions, and how many of them are cached. */
  readonly prompt: number;
  readonly cachedPrompt: number;
  /** What is reported where `report` is `impossible`. */
  readonly impossible: ReportedUsage;
  /** Goes on after the client left, instead of stopping at once. */
  readonly drains: boolean;
}

/** What became of one request, as the client and the provider saw it, and what was sent about it. */
export interface Story {
  readonly plan: RequestPlan;
  /** Of the catalog snapshot that the request was admitted under. */
  readonly price: Price;
  /** Output ceiling of one completion as the provider was told; null: no provider was asked. */
  ceiling: number | null;
  /** Output tokens that the provider made. */
  produced: number;
  /** What the provider came to, whatever its gateway had done by then; undefined: their process died before. */
  providerEnd: AnswerEnd | undefined;
  /** When its gateway was told, by a renewal, that the store has ended it; null: never. */
  endedByStoreAtMs: number | null;
  /** When the admission, or the last renewal that was answered, was sent: a lease lasts from then on at least. */
  leaseFromMs: number;
  /** The settlements that were sent, and whether one was answered. */
  settle: 'none' | 'sent' | 'answered';
  /** What the settlements that were sent called its end, in order. */
  readonly settledAs: string[];
  /** What the client had at each renewal, and the most it had at one that was answered. */
  readonly renewed: number[];
  proven: number;
  /** Credit that was set aside; null if it was never admitted. */
  held: bigint | null;
  /** What account and key had for it at each final settlement; null where the store could not know. */
  readonly reaches: (bigint | null)[];
  gatewayDied: boolean;
  /** The store charged it when its client had been told of an error already. */
  chargedAfterError: boolean;
  /** A settlement was made and can't be lost any more: the store has it at rest, or the ledger has. */
  finalStands: boolean;
  /** Costs of its settlements that were lost with the store's file before the ledger had them; each may have been shown. */
  readonly lostCosts: bigint[];
  readonly client: ClientView;
}

/** How an answer ended, and when. */
export interface AnswerEnd {
  readonly atMs: number;
  readonly how: 'whole' | 'failed' | 'refused';
  readonly reported: ReportedUsage | null;
}

/** What a client has of its answer. */
export interface ClientView {
  status: number;
  /** Tokens of the content that arrived. */
  delivered: number;
  /** The whole answer: a unary body, or a stream up to `[DONE]`. */
  complete: boolean;
  /** When it went away before the answer was whole; null: it did not. */
  leftAtMs: number | null;
  /** The cost that the answer shows, in nano-dollars. */
  cost: bigint | undefined;
}
