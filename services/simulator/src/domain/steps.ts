import type { Answer, PlannedToolCall } from './answer.js';

interface StepOf {
  /** Index of the completion. */
  readonly choice: number;
  readonly text: string;
  /** Output tokens that this step delivers. */
  readonly tokens: number;
}

/** One piece of an answer as it is streamed. */
export type Step = StepOf &
  (
    | { readonly kind: 'reasoning' }
    | { readonly kind: 'content' }
    /** `opens` is the first piece of a call: it has the name, its `text` is the beginning of the arguments. */
    | {
        readonly kind: 'tool';
        readonly call: PlannedToolCall;
        readonly callIndex: number;
        readonly opens: boolean;
      }
  );

/** How an answer is cut into steps. */
export interface StepOptions {
  /** Tokens per step, ≥ 1. */
  readonly chunkTokens: number;
  /** A tool call comes in one piece. */
  readonly wholeToolCalls: boolean;
  /** Text of each step of reasoning and content instead of its own. */
  readonly stamp: (() => string) | undefined;
}

function* textSteps(
  kind: 'reasoning' | 'content',
  choice: number,
  tokens: readonly string[],
  options: StepOptions,
): Generator<Step> {
  for (let at = 0; at < tokens.length; at += options.chunkTokens) {
    const count = Math.min(options.chunkTokens, tokens.length - at);
    const text = options.stamp?.() ?? (count === 1 ? tokens[at]! : tokens.slice(at, at + count).join(''));
    yield { kind, choice, text, tokens: count };
  }
}

function* toolSteps(
  choice: number,
  call: PlannedToolCall,
  callIndex: number,
  { chunkTokens, wholeToolCalls }: StepOptions,
): Generator<Step> {
  const common = { kind: 'tool', choice, call, callIndex } as const;
  if (wholeToolCalls) {
    const text = call.fragments.join('');
    yield { ...common, opens: true, text, tokens: call.nameTokens + call.fragments.length };
    return;
  }
  yield { ...common, opens: true, text: '', tokens: call.nameTokens };
  for (let at = 0; at < call.fragments.length; at += chunkTokens) {
    const fragments = call.fragments.slice(at, at + chunkTokens);
    yield { ...common, opens: false, text: fragments.join(''), tokens: fragments.length };
  }
}

function* answerSteps(choice: number, answer: Answer, options: StepOptions): Generator<Step> {
  yield* textSteps('reasoning', choice, answer.reasoning, options);
  yield* textSteps('content', choice, answer.content, options);
  for (const [index, call] of answer.toolCalls.entries()) yield* toolSteps(choice, call, index, options);
}

/** The steps of all completions; several completions take turns. Nothing is made before it is asked for. */
export function* steps(answers: readonly Answer[], options: StepOptions): Generator<Step> {
  let running = answers.map((answer, choice) => answerSteps(choice, answer, options));
  while (running.length > 0) {
    const next: typeof running = [];
    for (const sequence of running) {
      const { value, done } = sequence.next();
      if (done === true) continue;
      yield value;
      next.push(sequence);
    }
    running = next;
  }
}
