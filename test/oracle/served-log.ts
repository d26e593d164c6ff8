/** What the simulator says it served for one call, in its own words. */
export interface ServedCall {
  readonly callId: string;
  readonly nonce: string;
  /** What the gateway calls the request that the call is for. */
  readonly requestId: string;
  readonly provider: string;
  readonly model: string;
  readonly stream: boolean;
  /** `open` while it runs. */
  readonly outcome: string;
  readonly status: number | null;
  /** Tokens of the prompt; null if the call was not answered. */
  readonly promptTokens: number | null;
  /** Output tokens of the whole answer, whether or not all of it was sent. */
  readonly plannedTokens: number;
  /** Output tokens handed to the connection. */
  readonly sentTokens: number;
  /** Usage as it was sent to the caller, if any was; `impossible` if no answer can have used that. */
  readonly reported: { readonly prompt: number; readonly output: number } | 'impossible' | null;
}

interface Entry {
  readonly event: string;
  readonly requestId: string;
  readonly clientRequestId?: string | null;
  readonly nonce: string | null;
  readonly provider: string;
  readonly model?: string | null;
  readonly stream?: boolean;
  readonly outcome?: string;
  readonly status?: number | null;
  readonly tokens?: { readonly prompt: number; readonly completion: number };
  readonly delivered?: { readonly outputTokens: number };
  readonly reported?: unknown;
}

const PAGE = 10_000;
const PAGES_MAX = 1_000;
const TIMEOUT_MS = 30_000;

const readPage = async (
  simulatorUrl: string,
  query: Readonly<Record<string, string>>,
): Promise<{ readonly entries: readonly Entry[]; readonly next: number; readonly oldest: number }> => {
  const url = `${simulatorUrl}/control/log?${new URLSearchParams({ limit: String(PAGE), ...query })}`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) throw new Error(`the simulator's log answered ${answer.status}`);
  return (await answer.json()) as { entries: Entry[]; next: number; oldest: number };
};

/**
 * Reads the whole log of a simulator and joins its lines to calls, in the order in which they came in.
 * @throws Error if the log has already forgotten its beginning: what is left proves nothing
 */
export const readServedLog = async (simulatorUrl: string): Promise<ServedCall[]> => {
  const calls = new Map<string, ServedCall>();
  let after = 0;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { entries, next, oldest } = await readPage(simulatorUrl, { after: String(after) });
    if (oldest > after + 1) throw new Error(`the simulator's log begins at ${oldest}, after ${after}`);
    for (const entry of entries) calls.set(entry.requestId, join(calls.get(entry.requestId), entry));
    if (entries.length === 0) return [...calls.values()];
    after = next;
  }
  throw new Error(`the simulator's log has more than ${PAGES_MAX * PAGE} entries`);
};

/** Whether the simulator has taken in a call with this nonce. */
export const wasAccepted = async (simulatorUrl: string, nonce: string): Promise<boolean> =>
  (await readPage(simulatorUrl, { nonce })).entries.some(({ event }) => event === 'accepted');

/** The calls of each nonce. */
export const byNonce = (calls: readonly ServedCall[]): ReadonlyMap<string, readonly ServedCall[]> =>
  Map.groupBy(calls, ({ nonce }) => nonce);

const join = (call: ServedCall | undefined, entry: Entry): ServedCall => {
  const base: ServedCall = call ?? {
    callId: entry.requestId,
    nonce: entry.nonce ?? '',
    requestId: '',
    provider: entry.provider,
    model: '',
    stream: false,
    outcome: 'open',
    status: null,
    promptTokens: null,
    plannedTokens: 0,
    sentTokens: 0,
    reported: null,
  };
  switch (entry.event) {
    case 'accepted':
      return {
        ...base,
        nonce: entry.nonce ?? '',
        requestId: entry.clientRequestId ?? '',
        model: entry.model ?? '',
        stream: entry.stream === true,
      };
    case 'answering':
      return {
        ...base,
        promptTokens: entry.tokens?.prompt ?? null,
        plannedTokens: entry.tokens?.completion ?? 0,
      };
    case 'ended':
      return {
        ...base,
        outcome: entry.outcome ?? '',
        status: entry.status ?? null,
        sentTokens: entry.delivered?.outputTokens ?? 0,
        reported: usageOf(entry.reported),
      };
    default:
      return base;
  }
};

/** Far more than fits any model's context. */
const TOKENS_MAX = 100_000_000;

const isPossible = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= TOKENS_MAX;

/** Text is usage that was sent and is no JSON. */
const usageOf = (reported: unknown): ServedCall['reported'] => {
  if (reported === null || reported === undefined) return null;
  const { prompt_tokens: prompt, completion_tokens: output = 0 } = reported as Readonly<
    Record<string, unknown>
  >;
  return isPossible(prompt) && isPossible(output) ? { prompt, output } : 'impossible';
};
