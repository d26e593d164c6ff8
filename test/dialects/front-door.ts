import type { Platform } from '../e2e/topology.js';

/** An answer of the public API, as JSON and as the chunks of a stream. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  /** The JSON of a unary answer or of an error; null for a stream. */
  readonly body: Body | null;
  /** The JSON events of a stream, `[DONE]` left out. */
  readonly chunks: readonly Chunk[];
  readonly text: string;
}

interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: unknown;
  };
}

interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cost: number;
}

type Body = Partial<ErrorBody> & {
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly finish_reason: string;
    readonly message: {
      readonly content: string | null;
      readonly reasoning_content?: string;
      readonly tool_calls?: readonly {
        readonly id: string;
        readonly function: { readonly name: string; readonly arguments: string };
      }[];
    };
  }[];
  readonly usage: Usage;
};

type Chunk = Partial<ErrorBody> & {
  readonly choices: readonly {
    readonly index: number;
    readonly finish_reason: string | null;
    readonly delta: {
      readonly content?: string | null;
      readonly tool_calls?: readonly {
        readonly index: number;
        readonly function: { readonly name?: string; readonly arguments: string };
      }[];
    };
  }[];
  readonly usage?: Usage | null;
};

/** A function that is called, whole or put together. */
export interface Called {
  readonly name: string;
  readonly arguments: string;
}

const TIMEOUT_MS = 60_000;

/** Posts to the public API, without any SDK in between. */
export const post = async (
  platform: Platform,
  apiKey: string,
  path: string,
  body: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> => {
  const answer = await fetch(`${platform.apiUrl}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await answer.text();
  const streamed = answer.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const chunks = streamed
    ? text
        .split('\n\n')
        .filter((event) => event.startsWith('data: ') && !event.includes('[DONE]'))
        .map((event) => JSON.parse(event.slice('data: '.length)) as Chunk)
    : [];
  return {
    status: answer.status,
    headers: answer.headers,
    body: streamed ? null : (JSON.parse(text) as Body),
    chunks,
    text,
  };
};

/** Posts a chat request. */
export const chat = (
  platform: Platform,
  apiKey: string,
  body: Readonly<Record<string, unknown>>,
  headers?: Readonly<Record<string, string>>,
): Promise<Answered> => post(platform, apiKey, '/chat/completions', body, headers);

/** What a key's account has used so far, in units of the balance: what it paid for answers, settled or not. */
export const usedQuota = async (platform: Platform, apiKey: string): Promise<number> => {
  const answer = await fetch(platform.apiUrl.replace(/\/v1$/, '/api/user/self'), {
    headers: { authorization: `Bearer ${apiKey}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  return ((await answer.json()) as { data: { used_quota: number } }).data.used_quota;
};

/** All content of a completion, whole or streamed. */
export const contentOf = ({ body, chunks }: Answered, index = 0): string =>
  body === null
    ? chunks
        .flatMap(({ choices }) => choices)
        .filter((choice) => choice.index === index)
        .map(({ delta }) => delta.content ?? '')
        .join('')
    : (body.choices[index]?.message.content ?? '');

/** The functions that the first completion calls, whole or streamed. */
export const callsOf = ({ body, chunks }: Answered): readonly Called[] => {
  if (body !== null) return (body.choices[0]?.message.tool_calls ?? []).map((call) => call.function);
  const calls: { name: string; arguments: string }[] = [];
  for (const delta of chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? [])) {
    const call = (calls[delta.index] ??= { name: '', arguments: '' });
    call.name += delta.function.name ?? '';
    call.arguments += delta.function.arguments;
  }
  return calls;
};
