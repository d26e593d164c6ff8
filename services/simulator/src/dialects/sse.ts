import type { Step } from '../domain/steps.js';
import type { Frame } from './dialect.js';

/** The frame by which most streams end. */
export const DONE = 'data: [DONE]\n\n';

/** A frame that carries no output. */
export const plainFrame = (text: string, extra: { finish?: string; usage?: string } = {}): Frame => ({
  text,
  tokens: 0,
  reasoningTokens: 0,
  chars: 0,
  ...extra,
});

/** A frame that carries a step's output. */
export const stepFrame = (text: string, step: Step, finish?: string): Frame => ({
  text,
  tokens: step.tokens,
  reasoningTokens: step.kind === 'reasoning' ? step.tokens : 0,
  chars: step.text.length,
  ...(finish !== undefined && { finish }),
});

/** A server-sent event with JSON as its data. */
export const sse = (json: string): string => `data: ${json}\n\n`;

/** The frames that end a stream, the last of them marked. Frames that are not there are left out. */
export const closing = (...frames: readonly (Frame | undefined)[]): readonly Frame[] => {
  const present = frames.filter((frame) => frame !== undefined);
  return present.map((frame, index) => (index === present.length - 1 ? { ...frame, last: true } : frame));
};
