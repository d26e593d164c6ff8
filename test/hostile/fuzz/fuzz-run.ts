import { exchange, type RawAnswer, type RawExchange } from '../raw-http.js';
import { readOpenAiError } from '../openai-error.js';
import type { FuzzInput } from './fuzz-input.js';

const CONNECTIONS = 64;
/** An input of which nobody knows whether it is whole is waited for so long, and then left. */
const LEAVE_AFTER_MS = 1_000;

/** Sends inputs to a server and judges what comes back: a success, an OpenAI error, or a failure of the server. */
export class FuzzRun {
  /** What was wrong, with its input and what came back. */
  readonly failures: string[] = [];
  /** How often each status came. */
  readonly statuses = new Map<number, number>();
  /** Inputs by kind, and how many of them had to be left without an answer. */
  readonly made = new Map<string, number>();
  readonly unanswered = new Map<string, number>();
  #sent = 0;

  /** @param answerMsMax a whole input that is not answered within this time, in milliseconds, is one that hangs */
  constructor(
    private readonly port: number,
    private readonly answerMsMax: number,
  ) {}

  /** Sends inputs, some at a time; resolves when each was answered, left, or has failed. */
  async send(inputs: readonly FuzzInput[]): Promise<void> {
    await inTurns(inputs, CONNECTIONS, (input) => this.#send(input, this.#sent++));
  }

  async #send(input: FuzzInput, index: number): Promise<void> {
    let came: RawExchange | undefined;
    try {
      const leaving = input.whole ? {} : { leaveAfterMs: LEAVE_AFTER_MS };
      came = await exchange(this.port, [input.bytes], { ...leaving, timeoutMs: this.answerMsMax });
      judge(came);
      count(this.made, input.kind);
      if (came.answers.length === 0) count(this.unanswered, input.kind);
      else count(this.statuses, came.answers[0]!.status);
    } catch (error) {
      this.failures.push(describeFailure(index, input, came, error as Error));
    }
  }
}

/** @throws Error naming what is wrong with what came back. Plain code: assertions would take most of the run's time. */
const judge = ({ answers, rest, left }: RawExchange): void => {
  for (const answer of answers) judgeAnswer(answer);
  // An answer that this side did not wait for may be cut; anything else between or after answers is a defect.
  if (!left && rest !== '' && !rest.startsWith('HTTP/1.1 ')) throw new Error('bytes that are no answer');
  if (!left && answers.length === 0) throw new Error('the connection ended without an answer');
};

const REQUEST_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const STACK_TRACE = /node:internal|\bat \w+ \(|\.[jt]s:\d+/;
const EVENT_STREAM = /^(?:(?:data|:) ?[^\n]*\n\n)*$/;

const judgeAnswer = (answer: RawAnswer): void => {
  const { status, headers, body } = answer;
  if (!REQUEST_ID.test(headers.get('x-request-id') ?? '')) throw new Error('no request id');
  if (headers.has('x-evil')) throw new Error('a header of the client’s making');
  if (STACK_TRACE.test(body)) throw new Error('a stack trace');
  if (status === 500) throw new Error('an internal error');
  // An answer to HEAD has no body.
  if (status >= 400) return body === '' ? undefined : void readOpenAiError(answer);
  if (status === 204) return;
  if (status !== 200) throw new Error(`status ${status}`);
  if (headers.get('content-type')?.startsWith('text/event-stream') !== true) JSON.parse(body);
  else if (!EVENT_STREAM.test(body)) throw new Error('not a stream of events');
};

const count = <Name>(counts: Map<Name, number>, name: Name): void =>
  void counts.set(name, (counts.get(name) ?? 0) + 1);

const describeFailure = (
  index: number,
  { kind, bytes }: FuzzInput,
  came: RawExchange | undefined,
  error: Error,
): string =>
  [
    `input ${index} (${kind}): ${error.message.slice(0, 800)}`,
    `sent ${JSON.stringify(bytes.toString('latin1').slice(0, 2_000))}`,
    `came ${JSON.stringify(came ?? null, (_, value: unknown) => (value instanceof Map ? [...value] : value)).slice(0, 2_000)}`,
  ].join('\n');

/** Runs `work` for every item, at most `width` at a time. */
const inTurns = async <Item>(
  items: readonly Item[],
  width: number,
  work: (item: Item, index: number) => Promise<void>,
): Promise<void> => {
  let next = 0;
  const turn = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) await work(items[index]!, index);
  };
  await Promise.all(Array.from({ length: width }, turn));
};
