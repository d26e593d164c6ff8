import type { ClientRecord } from '../oracle/verdict.js';
import { costIn } from './amounts.js';

/** When a client leaves before its answer has ended. */
export type Leaving =
  /** Once it has seen so many frames with content. */
  | { readonly afterFrames: number }
  /** Once this resolves with true; the signal says that the answer has ended meanwhile. */
  | { readonly when: (ended: AbortSignal) => Promise<boolean> };

/** One request of a client. */
export interface ClientCall {
  readonly apiUrl: string;
  readonly apiKey: string;
  readonly nonce: string;
  /** Below `/v1`. */
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>> & { readonly model: string };
  readonly leaving?: Leaving | undefined;
  /** By which the platform knows the request again. */
  readonly idempotencyKey?: string | undefined;
}

const TIMEOUT_MS = 120_000;
const DONE = 'data: [DONE]\n\n';

/** Makes a request and records what its client saw. Never rejects: a lost connection is a result. */
export const callAsClient = async (call: ClientCall): Promise<ClientRecord> => {
  const { nonce, body, leaving, idempotencyKey } = call;
  const stream = body['stream'] === true;
  const client = new AbortController();
  const outputMax = typeof body['max_tokens'] === 'number' ? body['max_tokens'] : null;
  const seen = {
    nonce,
    model: body.model,
    stream,
    outputMax,
    status: 0,
    requestId: null as string | null,
    cost: null,
  };
  const ended = new AbortController();
  let left = false;
  const leave = (): void => {
    left = true;
    client.abort();
  };
  if (leaving !== undefined && 'when' in leaving)
    void leaving.when(ended.signal).then((now) => now && leave());
  try {
    const answer = await fetch(`${call.apiUrl}${call.path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${call.apiKey}`,
        'content-type': 'application/json',
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.any([client.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    seen.status = answer.status;
    seen.requestId = answer.headers.get('x-request-id');
    if (answer.status !== 200) {
      await answer.body?.cancel();
      return { ...seen, ending: 'error' };
    }
    if (!stream) return { ...seen, ending: 'completed', cost: costIn(await answer.text()) };
    const text = await readStream(answer, leaving, leave);
    return text.endsWith(DONE)
      ? { ...seen, ending: 'completed', cost: costIn(text) }
      : { ...seen, ending: 'broken' };
  } catch {
    if (left) return { ...seen, ending: 'aborted' };
    return { ...seen, ending: 'broken' };
  } finally {
    ended.abort();
  }
};

/** Reads a stream to its end, or until the client has seen enough. */
const readStream = async (
  answer: Response,
  leaving: Leaving | undefined,
  leave: () => void,
): Promise<string> => {
  const enough = leaving !== undefined && 'afterFrames' in leaving ? leaving.afterFrames : Infinity;
  const decoder = new TextDecoder();
  let text = '';
  let frames = 0;
  let counted = 0;
  for await (const bytes of answer.body!) {
    text += decoder.decode(bytes, { stream: true });
    for (let end = text.indexOf('\n\n', counted); end !== -1; end = text.indexOf('\n\n', counted)) {
      if (/^data: .*"delta":\{[^}]*"(?:reasoning_)?content":"[^"]/.test(text.slice(counted, end)))
        frames += 1;
      counted = end + 2;
    }
    if (frames >= enough) leave();
  }
  return text;
};

/** Runs tasks with at most `width` at a time and returns their results in order. */
export const inParallel = async <Result>(
  width: number,
  tasks: readonly (() => Promise<Result>)[],
): Promise<Result[]> => {
  const results: Result[] = new Array<Result>(tasks.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < tasks.length; index = next++) results[index] = await tasks[index]!();
  };
  await Promise.all(Array.from({ length: Math.min(width, tasks.length) }, worker));
  return results;
};
