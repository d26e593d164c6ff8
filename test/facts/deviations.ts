/** A place where the platform knowingly does not do, or reads in one way, what the API documentation says. */
export interface Deviation {
  readonly id: string;
  /** Heading of the documentation. */
  readonly at: string;
  readonly says: string;
  readonly does: string;
  readonly reason: string;
}

export const DEVIATIONS: readonly Deviation[] = [
  {
    id: 'error-type-titles',
    at: 'Error Codes',
    says: 'The "Type" column has titles such as "Bad Request".',
    does: 'The error object carries OpenAI types (`invalid_request_error`, `rate_limit_error`, …).',
    reason:
      'SDKs and frameworks switch on the types; the example on the same page has `insufficient_quota`, no title.',
  },
  {
    id: 'error-code-402',
    at: 'Error response format',
    says: 'The example has `"code": 402`, a number, and no `param`.',
    does: 'For 402 `code` is that number, everywhere else a string; `param` is always present, null where nothing is at fault.',
    reason:
      'OpenAI clients read four members and expect `code` as a string; the one documented number stays.',
  },
  {
    id: 'more-statuses',
    at: 'Error Codes',
    says: 'Seven statuses; a provider that is down is 503.',
    does: 'Also 403, 405, 408, 409, 413–415, 417, 422, 426, 431, 502 and 504; 503 where no provider is available, 502 and 504 where one failed or timed out.',
    reason: 'Each tells a client something that the seven cannot, and SDKs treat every 5xx alike.',
  },
  {
    id: 'headers-on-every-response',
    at: 'Rate limit headers',
    says: 'Every response has the three headers.',
    does: 'Every answer to a known key has them; they are left out while the limiter cannot be asked.',
    reason: 'Without a key there is no such limit, and an invented figure is worse than none.',
  },
  {
    id: 'quota-unit',
    at: 'Check your balance',
    says: '"1 unit = $0.002 / 1K tokens (1,000,000 units = $2)".',
    does: '500,000 units are one dollar, whatever the model.',
    reason: 'Prices differ per model, so a unit cannot be a number of tokens; the bracket is unambiguous.',
  },
  {
    id: 'context-sizes',
    at: 'Models & Pricing',
    says: 'Context 128K, 197K, 205K, 1M.',
    does: '128,000; 196,608; 204,800; 1,000,000 tokens.',
    reason:
      '197K and 205K are binary sizes rounded (192 and 200 times 1,024; the latter is what MiniMax documents); for the others the decimal reading is the one that is always kept.',
  },
  {
    id: 'math-context',
    at: 'Models & Pricing > Specialized Models',
    says: 'qwen-math-plus has 128K context.',
    does: 'It is listed with 128,000; upstream takes 4K and answers at most 3K, so longer prompts get `context_length_exceeded`.',
    reason:
      'The upstream model is smaller than the product says; to be decided by the owner: another upstream model, or another figure.',
  },
  {
    id: 'tpm-about',
    at: 'Rate Limits',
    says: '"~500K" tokens per minute.',
    does: 'Exactly 500,000.',
    reason: 'A limit that is enforced and shown in headers needs one value.',
  },
  {
    id: 'parameter-bounds',
    at: 'Chat Completions > Request Body',
    says: 'No bounds for `top_p`, `n` and `max_tokens`.',
    does: '`top_p` 0–1, `n` 1–8, `max_tokens` from 1 to the output limit of the model.',
    reason:
      'OpenAI has the same for `top_p` and `max_tokens`; `n` is bounded because each completion is a provider call.',
  },
  {
    id: 'parameters-narrowed',
    at: 'Chat Completions > Request Body',
    says: '`temperature` 0–2 and penalties −2 to 2 on every model.',
    does: 'All values are accepted; where a provider takes less, the value is clamped or left out and `x-tunan-adapted` names it.',
    reason: 'Qwen takes temperatures below 2, GLM up to 1, DeepSeek and MiniMax ignore penalties.',
  },
  {
    id: 'same-family',
    at: 'Fallback & Routing',
    says: 'DeepSeek fails over to Qwen, "same model family".',
    does: '`deepseek-chat` fails over to qwen3.7-plus, and headers say which model answered.',
    reason: 'It is another family; a client that must not get one can say so and can see it.',
  },
  {
    id: 'retired-upstream',
    at: 'Models & Pricing',
    says: 'deepseek-chat, deepseek-reasoner, qwen-vl-max and qwen-vl-plus are served.',
    does: 'They are served by deepseek-flash without and with thinking, qwen3.7-plus and qwen3.5-flash.',
    reason: 'The provider retired those ids in July 2026; `x-tunan-upstream-model` names what answered.',
  },
  {
    id: 'vision-and-embedding-prices',
    at: 'Vision',
    says: 'No prices for vision and embedding models.',
    does: 'Prices of ours, at least 30 % above the list cost where that is known.',
    reason: 'A model without a price cannot be sold by the token.',
  },
  {
    id: 'model-list-members',
    at: 'List Models > Response',
    says: 'Entries have `id`, `object`, `owned_by`.',
    does: 'Entries also have `created`, sizes, prices and capabilities. Aliases are not listed.',
    reason: 'OpenAI clients declare `created`; the rest saves a look at this page.',
  },
  {
    id: 'savings',
    at: 'Model mapping',
    says: 'Savings of about 97, 90, 95 and 93 percent.',
    does: 'The figures are kept as the documentation claims them and are not checked.',
    reason:
      'They do not follow from the price table and the list prices of the OpenAI models (gpt-4o at 2.50/10.00: 92–96 %; gpt-4-turbo at 10/30: 82 %); the owner should correct them.',
  },
];

/**
 * Prices that are below what the primary channel costs by its provider's list, per million tokens. The documentation
 * sets them; what this table does is make the loss visible: the catalog check fails when it grows or shrinks.
 */
export const SOLD_BELOW_LIST_COST: readonly { readonly model: string; readonly side: 'input' | 'output' }[] =
  [
    { model: 'deepseek-chat', side: 'output' },
    { model: 'qwen3.7-max', side: 'input' },
    { model: 'qwen3.7-max', side: 'output' },
    { model: 'qwen3.5-flash', side: 'input' },
    { model: 'qwen3.5-flash', side: 'output' },
    { model: 'qwen3.7-plus', side: 'output' },
    { model: 'minimax-m2.5', side: 'input' },
    { model: 'minimax-m2.7', side: 'input' },
  ];
