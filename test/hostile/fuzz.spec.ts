import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@tunan/testing';
import fc from 'fast-check';
import { fuzzInput, type FuzzInput } from './fuzz/fuzz-input.js';
import { startHostileRig, type HostileRig } from './hostile-rig.js';
import { readOpenAiError } from './openai-error.js';
import { exchange, type RawAnswer, type RawExchange } from './raw-http.js';

/** `FUZZ_SEED=… FUZZ_RUNS=… npm test -- test/hostile/fuzz` repeats a run, or makes another one. */
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_127);
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 50_000);
const SLICE = 1_000;
const CONNECTIONS = 64;
const KEYS = 200;
/** An input of which nobody knows whether it is whole is waited for so long, and then left. */
const LEAVE_AFTER_MS = 1_000;
/** A whole one is never left: that it is not answered within this time is a hang. */
const ANSWER_MS_MAX = 60_000;
/** Share of a kind's inputs that may end before they are whole, and so be left without an answer: up to 2 % are. */
const UNANSWERED_MAX = 0.05;
/** Kinds of which fewer inputs were made say nothing of a share. */
const SHARE_OF_MIN = 100;
const FAILURES_SHOWN = 5;

describe('fuzzing the public API', () => {
  let rig: HostileRig;
  let keys: readonly string[];

  beforeAll(async () => {
    rig = await startHostileRig();
    keys = await rig.newKeys(KEYS);
  }, 300_000);

  afterAll(async () => {
    expect(await rig.stop()).toBe(0);
  }, 60_000);

  it('finds no answer but a success or an OpenAI error, no hang, no crash, and no hold left', async () => {
    const statuses = new Map<number, number>();
    const [made, unanswered] = [new Map<string, number>(), new Map<string, number>()];
    const failures: string[] = [];
    const fuzz = async (input: FuzzInput, index: number): Promise<void> => {
      let came: RawExchange | undefined;
      try {
        const leaving = input.whole ? {} : { leaveAfterMs: LEAVE_AFTER_MS };
        came = await exchange(rig.port, [input.bytes], { ...leaving, timeoutMs: ANSWER_MS_MAX });
        judge(came);
        count(made, input.kind);
        if (came.answers.length === 0) count(unanswered, input.kind);
        else count(statuses, came.answers[0]!.status);
      } catch (error) {
        failures.push(describeFailure(index, input, came, error as Error));
      }
    };
    console.log(`fuzz: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}`);
    const startedMs = performance.now();
    for (let from = 0; from < RUNS && failures.length < FAILURES_SHOWN; from += SLICE) {
      const numRuns = Math.min(SLICE, RUNS - from);
      const inputs = fc.sample(fuzzInput(keys), { seed: SEED + from, numRuns });
      await inTurns(inputs, CONNECTIONS, (input, index) => fuzz(input, from + index));
      await rig.alive();
    }
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
    const byStatus = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
    const left = [...unanswered].map(([kind, times]) => `${times} of ${made.get(kind)} ${kind}`);
    console.log(
      `fuzz: ${RUNS} inputs in ${seconds} s; ${byStatus.join(', ')}; without an answer: ${left.join(', ')}`,
    );
    expect(failures.slice(0, FAILURES_SHOWN)).toEqual([]);
    for (const [kind, times] of unanswered)
      expect([kind, times / Math.max(made.get(kind)!, SHARE_OF_MIN) <= UNANSWERED_MAX]).toEqual([kind, true]);
    await eventually('every hold has ended', async () => (await rig.holds()) === 0, 120_000);
    // It has been to the places that it was meant for.
    for (const status of [200, 400, 401, 404, 405, 415]) expect(statuses.get(status) ?? 0).toBeGreaterThan(0);
    expect(rig.host.printed).not.toContain('"level":50');
  }, 900_000);
});

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
