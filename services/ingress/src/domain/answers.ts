import { z } from 'zod';

/*
 * The bodies of successful answers. They are the OpenAPI document's schemas, and what an endpoint builds is checked
 * against their types by the compiler. Chat and embedding answers are written as text in `@tunan/llm`; a contract test
 * holds real ones against the document.
 */

const count = z.int().min(0);
/** Exact decimals: they are written as digits, never by way of a float. */
const usd = z.number().describe('US dollars, at most nine decimal places');
const cents = z.number().describe('Hundredths of a US dollar, at most seven decimal places');
const unixSeconds = count.describe('Unix time in seconds');

const servedBy = z
  .object({
    provider: z.string(),
    upstream_model: z.string(),
    attempts: z.int().min(1),
    fallback: z.boolean(),
  })
  .describe('Who served a stream whose headers had to go out before that was known');

const tokens = {
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z.object({ cached_tokens: count }),
  completion_tokens_details: z.object({ reasoning_tokens: count }),
};

const usage = z
  .object({
    ...tokens,
    cost: usd.describe('What the call cost in US dollars: the amount in the ledger'),
    tunan: servedBy.optional(),
  })
  .describe('Tokens and their cost');

const embeddingsUsage = z.object({
  ...tokens,
  completion_tokens: count.optional(),
  prompt_tokens_details: tokens.prompt_tokens_details.optional(),
  completion_tokens_details: tokens.completion_tokens_details.optional(),
  cost: usage.shape.cost,
});

const functionCall = z.object({
  name: z.string(),
  arguments: z.string().describe('JSON, as the model wrote it'),
});
const toolCall = z.object({ id: z.string(), type: z.literal('function'), function: functionCall });
const logprobs = z
  .object({ content: z.array(z.unknown()).nullable(), refusal: z.array(z.unknown()).nullable() })
  .nullable();
const finishReason = z.enum(['stop', 'length', 'tool_calls', 'content_filter', 'function_call']);

const message = z.object({
  role: z.literal('assistant'),
  content: z.string().nullable(),
  reasoning_content: z.string().optional().describe('Thinking, where the model thinks'),
  refusal: z.string().nullable(),
  tool_calls: z.array(toolCall).min(1).optional(),
  function_call: functionCall
    .optional()
    .describe('Instead of tool_calls, where the request offered functions'),
});

const answered = {
  id: z.string(),
  created: unixSeconds,
  model: z.string().describe('The public id that is billed'),
};

const chatCompletion = z.object({
  ...answered,
  object: z.literal('chat.completion'),
  choices: z.array(z.object({ index: count, message, logprobs, finish_reason: finishReason })).min(1),
  usage,
});

const delta = z.object({
  role: z.literal('assistant').optional().describe('In the first delta of a choice'),
  content: z.string().nullable().optional(),
  reasoning_content: z.string().optional(),
  refusal: z.string().optional(),
  tool_calls: z
    .array(
      z.object({
        index: count,
        id: z.string().optional().describe('With the first piece of a call, like type and name'),
        type: z.literal('function').optional(),
        function: z.object({ name: z.string().optional(), arguments: z.string() }),
      }),
    )
    .optional(),
  function_call: z.object({ name: z.string().optional(), arguments: z.string() }).optional(),
});

const chatCompletionChunk = z
  .object({
    ...answered,
    object: z.literal('chat.completion.chunk'),
    choices: z
      .array(
        z.object({
          index: count,
          delta,
          logprobs: logprobs.optional(),
          finish_reason: finishReason.nullable().describe('Once per choice'),
        }),
      )
      .describe('Empty in the usage chunk'),
    usage: usage
      .nullable()
      .optional()
      .describe('Only where stream_options.include_usage asks for it; null but in the last chunk'),
  })
  .describe('The data of one event of a stream');

const embeddings = z.object({
  object: z.literal('list'),
  data: z.array(
    z.object({
      object: z.literal('embedding'),
      index: count,
      embedding: z
        .union([z.array(z.number()), z.string()])
        .describe('Numbers, or base64 of little-endian float32 where encoding_format says so'),
    }),
  ),
  model: z.string(),
  usage: embeddingsUsage,
});

const model = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: unixSeconds,
  owned_by: z.string(),
  context_length: count.describe('Tokens of prompt and answer together'),
  max_output_tokens: count.describe('0 for embedding models'),
  pricing: z
    .object({ input: z.string(), cached_input: z.string(), output: z.string() })
    .describe('US dollars per million tokens, as decimals'),
  capabilities: z.array(z.string()),
  backup_channels: count.describe('Other ways in which the model can be served'),
});
/** One model, as customers see it. */
export type ModelAnswer = z.output<typeof model>;

const models = z.object({ object: z.literal('list'), data: z.array(model) });

const generation = z.object({
  id: z.string().describe('The request id'),
  object: z.literal('generation'),
  answer_id: z.string().optional().describe('The id of the chat answer'),
  created: unixSeconds,
  operation: z.enum(['chat', 'embeddings']),
  model: z.string(),
  stream: z.boolean(),
  outcome: z.string(),
  provider: z.string().nullable(),
  upstream_model: z.string().nullable(),
  attempts: count,
  fallback: z.boolean(),
  usage: z.object(tokens),
  cost: usd,
  flags: z.array(z.string()).describe('`estimated` and others: how the charge differs from reported usage'),
  ledger: z
    .enum(['pending', 'posted'])
    .describe('Whether the charge is in the ledger yet; it does not change'),
});
/** What a call cost and who served it. */
export type GenerationAnswer = z.output<typeof generation>;

const quota = z.int().describe('Quota units, 500,000 to the dollar');

const userSelf = z.object({
  success: z.literal(true),
  message: z.string(),
  data: z.object({
    id: z.string(),
    username: z.string(),
    display_name: z.string(),
    email: z.string(),
    group: z.string().describe('The tier'),
    status: z.int().describe('1: active'),
    quota: quota.describe('What is left, in quota units (500,000 to the dollar), rounded down'),
    used_quota: quota.describe('What was used, likewise, rounded up'),
    request_count: count,
  }),
});
/** The account, in the form of new-api. */
export type UserSelfAnswer = z.output<typeof userSelf>;

const tokenUsage = z.object({
  code: z.literal(true),
  message: z.string(),
  data: z.object({
    object: z.literal('token_usage'),
    name: z.string(),
    total_granted: quota,
    total_used: quota,
    total_available: quota,
    unlimited_quota: z.boolean().describe('The key has no cap of its own'),
    model_limits: z.record(z.string(), z.literal(true)),
    model_limits_enabled: z.boolean(),
    expires_at: count.describe('Unix time in seconds; 0: never'),
  }),
});
/** The budget of a key, in the form of new-api. */
export type TokenUsageAnswer = z.output<typeof tokenUsage>;

const billingSubscription = z.object({
  object: z.literal('billing_subscription'),
  has_payment_method: z.boolean(),
  soft_limit_usd: usd,
  hard_limit_usd: usd.describe('US dollars; less total_usage / 100 it is what is left'),
  system_hard_limit_usd: usd,
  access_until: count.describe('Unix time in seconds; 0: without end'),
});
/** The credit limit, in the form of OpenAI's former dashboard. */
export type BillingSubscriptionAnswer = z.output<typeof billingSubscription>;

const billingUsage = z.object({
  object: z.literal('list'),
  total_usage: cents.describe('Lifetime use in hundredths of a US dollar, whatever the dates'),
  daily_costs: z.array(
    z.object({ timestamp: unixSeconds, line_items: z.array(z.object({ name: z.string(), cost: cents })) }),
  ),
});
/** Costs by day, in the same form. */
export type BillingUsageAnswer = z.output<typeof billingUsage>;

const NAMED = {
  ChatCompletion: chatCompletion,
  ChatCompletionChunk: chatCompletionChunk,
  Usage: usage,
  Embeddings: embeddings,
  Model: model,
  ModelList: models,
  Generation: generation,
  UserSelf: userSelf,
  TokenUsage: tokenUsage,
  BillingSubscription: billingSubscription,
  BillingUsage: billingUsage,
} as const;
export type AnswerName = keyof typeof NAMED;

/** JSON schemas of all answers by name, which refer to each other below `prefix`. New members may come at any time. */
export const answerSchemas = (prefix: string): Readonly<Record<AnswerName, object>> => {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { io: 'input', uri: (id) => `${prefix}${id}` });
  // As components of a document they are named by their place, and have its dialect.
  const bare = Object.entries(schemas).map(([name, { $id: _id, $schema: _schema, ...schema }]) => [
    name,
    schema,
  ]);
  return Object.fromEntries(bare) as Record<AnswerName, object>;
};
