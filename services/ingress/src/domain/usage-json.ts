import type { Usage } from '@tunan/contracts';
import { formatUsd, type Nano } from '@tunan/kernel';

const CLOSING = '}}';
const MEMBER = '"usage":';

/** The `usage` member of an answer, cost included. The cost is a number literal that no float ever held. */
export const usageJson = (usage: Usage, cost: Nano): string =>
  `{"prompt_tokens":${usage.prompt},"completion_tokens":${usage.completion},` +
  `"total_tokens":${usage.prompt + usage.completion},` +
  `"prompt_tokens_details":{"cached_tokens":${usage.cachedPrompt}},` +
  `"completion_tokens_details":{"reasoning_tokens":${usage.reasoning}},"cost":${formatUsd(cost)}}`;

/**
 * Puts the cost into JSON that ends with `"usage":{…}}` and `suffix`. Where the charged usage is not the one in the
 * bytes (it was estimated, or impossible and clamped) the whole member is replaced.
 */
export const withCost = (
  bytes: Buffer,
  suffix: string,
  charged: Usage,
  cost: Nano,
  replace: boolean,
): Buffer => {
  if (!replace) {
    const end = bytes.length - suffix.length - CLOSING.length;
    return Buffer.concat([
      bytes.subarray(0, end),
      Buffer.from(`,"cost":${formatUsd(cost)}${CLOSING}${suffix}`),
    ]);
  }
  const start = bytes.lastIndexOf(MEMBER) + MEMBER.length;
  return Buffer.concat([bytes.subarray(0, start), Buffer.from(`${usageJson(charged, cost)}}${suffix}`)]);
};
