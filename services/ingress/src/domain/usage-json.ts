import type { Served, Usage } from '@tunan/contracts';
import { formatUsd, type Nano } from '@tunan/kernel';

const CLOSING = '}}';
const MEMBER = '"usage":';

/** What settlement adds to the usage of an answer. */
export interface Billed {
  /** The usage that was charged. */
  readonly usage: Usage;
  readonly cost: Nano;
  /** What served the request, where the response headers went out too early to say it; else null. */
  readonly served: Served | null;
  /** True if the charged usage is not the one in the bytes: it was estimated, or impossible and clamped. */
  readonly replace: boolean;
}

const tunan = (served: Served | null): string =>
  served === null
    ? ''
    : `,"tunan":${JSON.stringify({
        provider: served.provider,
        upstream_model: served.upstreamModel,
        attempts: served.attempts,
        fallback: served.fallback,
      })}`;

/** The `usage` member of an answer, cost included. The cost is a number literal that no float ever held. */
const usageJson = ({ usage, cost, served }: Billed): string =>
  `{"prompt_tokens":${usage.prompt},"completion_tokens":${usage.completion},` +
  `"total_tokens":${usage.prompt + usage.completion},` +
  `"prompt_tokens_details":{"cached_tokens":${usage.cachedPrompt}},` +
  `"completion_tokens_details":{"reasoning_tokens":${usage.reasoning}},"cost":${formatUsd(cost)}${tunan(served)}}`;

/**
 * Puts the cost into JSON that ends with `"usage":{…}}` and `suffix`, as text: no float, no second serialization. Where
 * another usage is charged the whole member is replaced.
 */
export const withCost = (bytes: Buffer, suffix: string, billed: Billed): Buffer => {
  if (!billed.replace) {
    const end = bytes.length - suffix.length - CLOSING.length;
    const added = `,"cost":${formatUsd(billed.cost)}${tunan(billed.served)}${CLOSING}${suffix}`;
    return Buffer.concat([bytes.subarray(0, end), Buffer.from(added)]);
  }
  const start = bytes.lastIndexOf(MEMBER) + MEMBER.length;
  return Buffer.concat([bytes.subarray(0, start), Buffer.from(`${usageJson(billed)}}${suffix}`)]);
};
