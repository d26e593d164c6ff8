/** Usage of the scripted answers. */
export const USAGE = {
  prompt_tokens: 9,
  completion_tokens: 2,
  total_tokens: 11,
  prompt_tokens_details: { cached_tokens: 4 },
};

/** A chunk as DeepSeek writes it. */
export const delta = (members: object, finish: string | null = null, more: object = {}) => ({
  id: 'vendor-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'deepseek-flash',
  system_fingerprint: 'fp_x',
  choices: [{ index: 0, delta: members, logprobs: null, finish_reason: finish }],
  ...more,
});
