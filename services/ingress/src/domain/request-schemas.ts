import { classesOf, PARAMETERS } from '@tunan/llm';
import { CHAT_PARAMETER_RULES, type ParameterRule } from './parameter-rules.js';
import { THINKING_TYPES } from './thinking.js';
import {
  FUNCTION_CALLS,
  METADATA_CHARS_MAX,
  METADATA_KEY_CHARS_MAX,
  METADATA_KEYS_MAX,
  STOP_CHARS_MAX,
  STOPS_MAX,
  TOOL_CHOICES,
  TOOL_NAME,
  TOOLS_MAX,
} from './validate-chat.js';
import { ENCODINGS, IDS_MAX, INPUTS_MAX, USER_CHARS_MAX } from './validate-embeddings.js';
import { IMAGE_DETAILS, MESSAGES_MAX, NAME_CHARS_MAX } from './validate-messages.js';

/*
 * The bodies of requests as JSON schemas, with the limits that the validators have. They say less than the validators do:
 * what one member demands of another, and what depends on the model, is in words. Nothing that is accepted is wrong here,
 * but for the types of members that are left out or passed on whatever they are.
 */

type Json = Readonly<Record<string, unknown>>;

const TEXT: Json = { type: 'string' };
const text = (description?: string): Json => ({
  type: ['string', 'null'],
  ...(description === undefined ? {} : { description }),
});
const object = (required: readonly string[], properties: Json, more: Json = {}): Json => ({
  type: 'object',
  required,
  properties,
  ...more,
});
const list = (items: Json, bounds: Json = {}): Json => ({ type: 'array', items, ...bounds });
const orNull = (...schemas: readonly Json[]): Json => ({ anyOf: [...schemas, { type: 'null' }] });

/** A rule of a simple parameter as a schema. */
const ruleSchema = (rule: ParameterRule): Json => {
  switch (rule.type) {
    case 'number':
    case 'integer':
      return { type: [rule.type, 'null'], minimum: rule.min, maximum: rule.max };
    case 'string':
      return { type: ['string', 'null'], maxLength: rule.charsMax };
    case 'boolean':
      return { type: ['boolean', 'null'] };
    case 'choice':
      return { enum: [...rule.values, null] };
  }
};

/** What models make of a member, from the capability table; undefined if it is not in the table. */
const classText = (member: string): string | undefined => {
  const rows = PARAMETERS.filter((name) => name === member || name.startsWith(`${member}=`));
  if (rows.length === 0) return undefined;
  const texts = rows.map((row) => {
    const classes = classesOf(row);
    const value = row.slice(member.length + 1);
    return `${value === '' ? '' : `\`${value}\` is `}${classes.join(' or ')}${classes.length > 1 ? ' by model' : ''}`;
  });
  return `Class: ${texts.join('; ')}.`;
};

/** The members with their classes, after what they say themselves. */
const withClasses = (members: Readonly<Record<string, Json>>): Json =>
  Object.fromEntries(
    Object.entries(members).map(([name, schema]) => {
      const words = [schema['description'], classText(name)].filter((one) => one !== undefined);
      return [name, words.length === 0 ? schema : { ...schema, description: words.join(' ') }];
    }),
  );

const called = object(['name', 'arguments'], { name: TEXT, arguments: TEXT });
const named = object(['name'], { name: TEXT });
const name: Json = { ...text(), maxLength: NAME_CHARS_MAX };
const STOP: Json = { type: 'string', minLength: 1, maxLength: STOP_CHARS_MAX };
const FILLED: Json = { type: 'string', minLength: 1 };
const TOKEN_IDS: Json = { type: 'array', minItems: 1, items: { type: 'integer', minimum: 0 } };
const THINKING =
  'Thinking belongs to the model: asking for the other mode is refused, and names the model to use.';
const CLASSES =
  'Each member has a class. Honoured: sent, and the provider does it. Emulated: the gateway does it. Advisory: a hint that is ' +
  'bounded or left out where a provider has less; `x-tunan-adapted` tells. Refused: 400 `unsupported_parameter`. The value ' +
  'that is documented as default, and null, are accepted in every class; members that are not named here are advisory.';

type Ref = (name: string) => Json;

const parts = (...schemas: readonly Json[]): Json => ({
  anyOf: [TEXT, list(schemas.length === 1 ? schemas[0]! : { anyOf: schemas }, { minItems: 1 })],
});

const contentParts: Readonly<Record<string, Json>> = {
  TextPart: object(['type', 'text'], { type: { const: 'text' }, text: TEXT }),
  RefusalPart: object(['type', 'refusal'], { type: { const: 'refusal' }, refusal: TEXT }),
  ImagePart: object(
    ['type', 'image_url'],
    {
      type: { const: 'image_url' },
      image_url: object(['url'], {
        url: {
          type: 'string',
          minLength: 1,
          description: 'A public http(s) address, or a data URL of an image in base64',
        },
        detail: { enum: [...IMAGE_DETAILS, null], description: classText('detail') },
      }),
    },
    { description: 'For models with the capability `vision`' },
  ),
};

/** Messages, by who speaks. */
const ROLES: Readonly<Record<string, readonly string[]>> = {
  SystemMessage: ['system', 'developer'],
  UserMessage: ['user'],
  AssistantMessage: ['assistant'],
  ToolMessage: ['tool'],
  FunctionMessage: ['function'],
};

const messages = (ref: Ref): Readonly<Record<string, Json>> => ({
  SystemMessage: object(['role', 'content'], {
    role: { enum: ['system', 'developer'] },
    content: parts(ref('TextPart')),
    name,
  }),
  UserMessage: object(['role', 'content'], {
    role: { const: 'user' },
    content: parts(ref('TextPart'), ref('ImagePart')),
    name,
  }),
  AssistantMessage: object(['role'], {
    role: { const: 'assistant' },
    content: {
      ...orNull(parts(ref('TextPart'), ref('RefusalPart'))),
      description: 'Required without tool_calls, function_call or refusal',
    },
    name,
    reasoning_content: text('Thinking of an earlier answer'),
    refusal: text(),
    tool_calls: orNull(list(ref('ToolCall'), { minItems: 1 })),
    function_call: { ...orNull(called), deprecated: true },
  }),
  ToolMessage: object(['role', 'content', 'tool_call_id'], {
    role: { const: 'tool' },
    content: parts(ref('TextPart')),
    tool_call_id: { type: 'string', minLength: 1, description: 'The call of an earlier message' },
    name,
  }),
  FunctionMessage: object(
    ['role', 'content', 'name'],
    {
      role: { const: 'function' },
      content: parts(ref('TextPart')),
      name: { type: 'string', minLength: 1, maxLength: NAME_CHARS_MAX },
    },
    { deprecated: true },
  ),
  ChatMessage: {
    oneOf: Object.keys(ROLES).map(ref),
    discriminator: {
      propertyName: 'role',
      mapping: Object.fromEntries(
        Object.entries(ROLES).flatMap(([schema, roles]) => roles.map((role) => [role, ref(schema)['$ref']])),
      ),
    },
  },
});

const tools = (ref: Ref): Readonly<Record<string, Json>> => ({
  ToolCall: object(['id', 'function'], {
    id: { type: 'string', minLength: 1 },
    type: { const: 'function' },
    function: called,
  }),
  FunctionDefinition: object(['name'], {
    name: { type: 'string', pattern: TOOL_NAME.source },
    description: text(),
    parameters: { type: ['object', 'null'], description: 'A JSON schema' },
    strict: { type: ['boolean', 'null'], description: classText('tools.function.strict') },
  }),
  Tool: object(['type', 'function'], { type: { const: 'function' }, function: ref('FunctionDefinition') }),
});

const responseFormat: Json = {
  oneOf: [
    object(['type'], { type: { enum: ['text', 'json_object'] } }),
    object(['type', 'json_schema'], {
      type: { const: 'json_schema' },
      json_schema: object(['name', 'schema'], {
        name: { type: 'string', pattern: TOOL_NAME.source },
        schema: { type: 'object', description: 'JSON schema, draft 2020-12, with local references only' },
        description: text(),
        strict: { type: ['boolean', 'null'] },
      }),
    }),
  ],
};

/** Members of a chat request besides tools and those that have a rule. */
const chatMembers = (ref: Ref): Readonly<Record<string, Json>> => ({
  model: { type: 'string', minLength: 1 },
  messages: list(ref('ChatMessage'), { minItems: 1, maxItems: MESSAGES_MAX }),
  ...Object.fromEntries(
    Object.entries(CHAT_PARAMETER_RULES).map(([member, rule]) => [member, ruleSchema(rule)]),
  ),
  stop: orNull(STOP, list(STOP, { maxItems: STOPS_MAX })),
  stream_options: {
    type: ['object', 'null'],
    properties: { include_usage: { type: ['boolean', 'null'] } },
    description: 'Only with `stream`.',
  },
  response_format: orNull(ref('ResponseFormat')),
});

const toolMembers = (ref: Ref): Readonly<Record<string, Json>> => ({
  tools: orNull(list(ref('Tool'), { maxItems: TOOLS_MAX })),
  tool_choice: orNull(
    { enum: TOOL_CHOICES },
    object(['type', 'function'], { type: { const: 'function' }, function: named }),
  ),
  functions: {
    ...orNull(list(ref('FunctionDefinition'), { maxItems: TOOLS_MAX })),
    deprecated: true,
    description: 'Translated to `tools`.',
  },
  function_call: {
    ...orNull({ enum: FUNCTION_CALLS }, named),
    deprecated: true,
    description: 'Translated to `tool_choice`.',
  },
});

/** Members that models have in their own ways, or not at all. */
const furtherMembers: Readonly<Record<string, Json>> = {
  metadata: {
    type: ['object', 'null'],
    maxProperties: METADATA_KEYS_MAX,
    propertyNames: { maxLength: METADATA_KEY_CHARS_MAX },
    additionalProperties: { type: 'string', maxLength: METADATA_CHARS_MAX },
  },
  thinking: {
    ...orNull({ type: 'boolean' }, object(['type'], { type: { enum: Object.keys(THINKING_TYPES) } })),
    description: THINKING,
  },
  enable_thinking: { type: ['boolean', 'null'], description: THINKING },
  thinking_budget: { type: ['integer', 'null'], minimum: 0, description: THINKING },
  store: { type: ['boolean', 'null'] },
  service_tier: text(),
  prompt_cache_key: text(),
  verbosity: text(),
  logit_bias: { type: ['object', 'null'], additionalProperties: { type: 'number' } },
  audio: { type: ['object', 'null'] },
  modalities: { type: ['array', 'null'], items: TEXT },
  prediction: { type: ['object', 'null'] },
};

const embeddingsRequest: Json = object(['model', 'input'], {
  model: { type: 'string', minLength: 1 },
  input: {
    anyOf: [
      FILLED,
      list(FILLED, { minItems: 1, maxItems: INPUTS_MAX }),
      { ...TOKEN_IDS, maxItems: IDS_MAX },
      list(TOKEN_IDS, { minItems: 1, maxItems: INPUTS_MAX }),
    ],
    description: `Texts, or token ids of cl100k_base, at most ${IDS_MAX} in all`,
  },
  dimensions: { type: ['integer', 'null'], description: 'One of those that the model has' },
  encoding_format: { enum: [...ENCODINGS, null] },
  user: { type: ['string', 'null'], maxLength: USER_CHARS_MAX },
});

/** Schemas of requests by name, which refer to each other below `prefix`. */
export const requestSchemas = (prefix: string): Readonly<Record<string, Json>> => {
  const ref: Ref = (name) => ({ $ref: `${prefix}${name}` });
  return {
    ...contentParts,
    ...messages(ref),
    ...tools(ref),
    ResponseFormat: responseFormat,
    ChatRequest: object(
      ['model', 'messages'],
      withClasses({ ...chatMembers(ref), ...toolMembers(ref), ...furtherMembers }),
      { description: CLASSES },
    ),
    EmbeddingsRequest: embeddingsRequest,
  };
};
