import type { UsageEvent } from '@tunan/contracts';
import type { GenerationAnswer } from './answers.js';
import { usdNumber } from './decimal-json.js';

const ANSWER_PREFIX = 'chatcmpl-';
const HEX = /^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$/i;

/** The request that an id names: a request id, or the `id` of a chat answer. Undefined for what is neither. */
export const requestIdOf = (id: string): string | undefined => {
  const parts = HEX.exec(id.startsWith(ANSWER_PREFIX) ? id.slice(ANSWER_PREFIX.length) : id);
  return parts?.slice(1).join('-').toLowerCase();
};

/** Whether a charge is in the ledger yet. */
export type LedgerStatus = GenerationAnswer['ledger'];

/** What a call cost and who served it, as its owner reads it. */
export const generationJson = ({ time, data }: UsageEvent, ledger: LedgerStatus): GenerationAnswer => {
  const { usage, cost } = data;
  return {
    id: data.requestId,
    object: 'generation',
    ...(data.operation === 'chat'
      ? { answer_id: `${ANSWER_PREFIX}${data.requestId.replaceAll('-', '')}` }
      : {}),
    created: Math.floor(Date.parse(time) / 1_000),
    operation: data.operation,
    model: data.model,
    stream: data.stream,
    outcome: data.outcome,
    provider: data.provider,
    upstream_model: data.upstreamModel,
    attempts: data.attempts,
    fallback: data.fallback,
    usage: {
      prompt_tokens: usage.prompt,
      completion_tokens: usage.completion,
      total_tokens: usage.prompt + usage.completion,
      prompt_tokens_details: { cached_tokens: usage.cachedPrompt },
      completion_tokens_details: { reasoning_tokens: usage.reasoning },
    },
    cost: usdNumber(cost),
    flags: data.flags,
    ledger,
  };
};
