import type { Usage } from '@tunan/contracts';

/**
 * A usage as far as it may be charged: a completion never has more output than its ceiling, whatever the provider
 * generated beyond it. The provider's bill for the rest is our cost.
 * @returns the same object if the provider obeyed
 */
export const withinCeiling = (usage: Usage, ceiling: number): Usage =>
  usage.completion <= ceiling
    ? usage
    : { ...usage, completion: ceiling, reasoning: Math.min(usage.reasoning, ceiling) };
