import type { ChatRequest } from '@tunan/contracts';
import { invalidValue, missing } from './parameter-faults.js';
import { CHAT_PARAMETER_RULES, type ParameterRule } from './parameter-rules.js';
import { validateMessages, type MessageCapabilities } from './validate-messages.js';

export const STOPS_MAX = 4;
export const STOP_CHARS_MAX = 1_024;
export const TOOLS_MAX = 128;
/** Of tools and of schemas. */
export const TOOL_NAME = /^[A-Za-z0-9_-]{1,64}$/;
export const METADATA_KEYS_MAX = 16;
export const METADATA_KEY_CHARS_MAX = 64;
export const METADATA_CHARS_MAX = 512;
const RESPONSE_FORMATS = ['text', 'json_object', 'json_schema'];
export const TOOL_CHOICES = ['none', 'auto', 'required'];
export const FUNCTION_CALLS = ['none', 'auto'];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Checks a chat request's shape and ranges, except `model`. Nothing is coerced or changed; unknown members stay.
 * @throws Fault 400 with `param` set
 */
export const validateChat = (
  body: Record<string, unknown>,
  capabilities: MessageCapabilities,
): ChatRequest => {
  if (body['messages'] === undefined) throw missing('messages');
  validateMessages(body['messages'], capabilities);
  for (const name in body) {
    const value = body[name];
    if (value === null || value === undefined) continue;
    if (Object.hasOwn(CHAT_PARAMETER_RULES, name)) checkRule(name, value, CHAT_PARAMETER_RULES[name]!);
    else if (Object.hasOwn(CHECKS, name)) CHECKS[name]!(value);
  }
  checkOffers(body);
  // Zero is what a request without it has.
  if (body['top_logprobs'] != null && body['top_logprobs'] !== 0 && body['logprobs'] !== true)
    throw invalidValue('top_logprobs', "'top_logprobs' is only allowed when 'logprobs' is true.");
  if (body['stream_options'] != null && body['stream'] !== true)
    throw invalidValue('stream_options', "'stream_options' is only allowed when 'stream' is true.");
  return body as unknown as ChatRequest;
};

const checkRule = (name: string, value: unknown, rule: ParameterRule): void => {
  switch (rule.type) {
    case 'number':
    case 'integer': {
      const whole = rule.type === 'integer';
      if (typeof value !== 'number' || !Number.isFinite(value) || (whole && !Number.isSafeInteger(value)))
        throw invalidValue(name, `'${name}' must be ${whole ? 'an integer' : 'a number'}.`);
      if (value < rule.min) throw invalidValue(name, `'${name}' must be at least ${rule.min}.`);
      if (value > rule.max) throw invalidValue(name, `'${name}' must be at most ${rule.max}.`);
      return;
    }
    case 'boolean':
      if (typeof value !== 'boolean') throw invalidValue(name, `'${name}' must be true or false.`);
      return;
    case 'string':
      if (typeof value !== 'string') throw invalidValue(name, `'${name}' must be a string.`);
      if (value.length > rule.charsMax)
        throw invalidValue(name, `'${name}' is longer than ${rule.charsMax} characters.`);
      return;
    case 'choice':
      if (!rule.values.includes(value as string))
        throw invalidValue(name, `'${name}' must be one of ${rule.values.join(', ')}.`);
  }
};

const checkStop = (value: unknown): void => {
  const stops = Array.isArray(value) ? value : [value];
  if (stops.length > STOPS_MAX) throw invalidValue('stop', `'stop' takes at most ${STOPS_MAX} sequences.`);
  for (const stop of stops)
    if (typeof stop !== 'string' || stop === '' || stop.length > STOP_CHARS_MAX)
      throw invalidValue('stop', `'stop' must be a string or strings of 1 to ${STOP_CHARS_MAX} characters.`);
};

const checkStreamOptions = (value: unknown): void => {
  if (!isObject(value)) throw invalidValue('stream_options', "'stream_options' must be an object.");
  const { include_usage: includeUsage } = value;
  if (includeUsage != null && typeof includeUsage !== 'boolean')
    throw invalidValue(
      'stream_options.include_usage',
      "'stream_options.include_usage' must be true or false.",
    );
};

const checkResponseFormat = (value: unknown): void => {
  if (!isObject(value) || !RESPONSE_FORMATS.includes(value['type'] as string))
    throw invalidValue(
      'response_format',
      `'response_format.type' must be one of ${RESPONSE_FORMATS.join(', ')}.`,
    );
  if (
    value['type'] === 'json_schema' &&
    (!isObject(value['json_schema']) || !isObject(value['json_schema']['schema']))
  )
    throw invalidValue(
      'response_format.json_schema',
      "'response_format.json_schema' needs a 'name' and a 'schema'.",
    );
  if (value['type'] === 'json_schema') checkFormatName((value['json_schema'] as Definition).name);
};

const checkFormatName = (name: unknown): void => {
  const param = 'response_format.json_schema.name';
  if (name == null) throw missing(param);
  if (typeof name !== 'string' || !TOOL_NAME.test(name))
    throw invalidValue(param, 'The name of a schema has 1 to 64 letters, digits, underscores or dashes.');
};

const checkTools = (value: unknown): void => {
  if (!Array.isArray(value)) throw invalidValue('tools', "'tools' must be an array.");
  if (value.length > TOOLS_MAX) throw invalidValue('tools', `'tools' takes at most ${TOOLS_MAX} tools.`);
  const names = new Set<string>();
  value.forEach((tool: unknown, index) => {
    const param = `tools[${index}]`;
    if (!isObject(tool) || tool['type'] !== 'function' || !isObject(tool['function']))
      throw invalidValue(param, `'${param}' must be {"type": "function", "function": {…}}.`);
    checkDefinition(tool['function'], `${param}.function`, names);
  });
};

const checkDefinition = (definition: Record<string, unknown>, param: string, names: Set<string>): void => {
  const { name, description, parameters } = definition;
  if (typeof name !== 'string' || !TOOL_NAME.test(name))
    throw invalidValue(`${param}.name`, 'A tool name has 1 to 64 letters, digits, underscores or dashes.');
  if (names.has(name)) throw invalidValue(`${param}.name`, `There are two tools named '${name}'.`);
  if (description != null && typeof description !== 'string')
    throw invalidValue(`${param}.description`, 'The description of a tool must be a string.');
  if (parameters != null && !isObject(parameters))
    throw invalidValue(`${param}.parameters`, 'The parameters of a tool must be a JSON schema object.');
  names.add(name);
};

/** The form of the time before `tools`; it is translated. */
const checkFunctions = (value: unknown): void => {
  if (!Array.isArray(value) || value.length > TOOLS_MAX)
    throw invalidValue('functions', `'functions' must be an array of at most ${TOOLS_MAX} functions.`);
  const names = new Set<string>();
  value.forEach((definition: unknown, index) => {
    const param = `functions[${index}]`;
    if (!isObject(definition)) throw invalidValue(param, `'${param}' must be an object with a 'name'.`);
    checkDefinition(definition, param, names);
  });
};

const checkFunctionCall = (value: unknown): void => {
  if (FUNCTION_CALLS.includes(value as string)) return;
  if (isObject(value) && typeof value['name'] === 'string') return;
  throw invalidValue('function_call', '\'function_call\' must be none, auto or {"name": a function}.');
};

/** Tools come in one form, and one that has to be called is among them. */
const checkOffers = ({ tools, functions, tool_choice, function_call }: Record<string, unknown>): void => {
  if (tools == null && functions == null && tool_choice == null && function_call == null) return;
  const offered = namesOf(tools, ({ function: definition }) => definition as Definition);
  const legacy = namesOf(functions, (definition) => definition as unknown as Definition);
  if (offered.length > 0 && legacy.length > 0)
    throw invalidValue('functions', "Give either 'tools' or 'functions', not both.");
  const names = offered.length > 0 ? offered : legacy;
  const chosen = isObject(tool_choice) ? (tool_choice['function'] as Definition).name : undefined;
  const called = isObject(function_call) ? (function_call as unknown as Definition).name : undefined;
  if (tool_choice === 'required' && names.length === 0)
    throw invalidValue('tool_choice', "'tool_choice' may only be 'required' where there are 'tools'.");
  if (chosen !== undefined && !names.includes(chosen))
    throw invalidValue('tool_choice', "'tool_choice' names a function that is not among the 'tools'.");
  if (called !== undefined && !names.includes(called))
    throw invalidValue(
      'function_call',
      "'function_call' names a function that is not among the 'functions'.",
    );
};

interface Definition {
  readonly name: string;
}

const namesOf = (
  list: unknown,
  definitionOf: (item: Record<string, unknown>) => Definition,
): readonly string[] =>
  Array.isArray(list) ? list.map((item: Record<string, unknown>) => definitionOf(item).name) : [];

const checkToolChoice = (value: unknown): void => {
  if (TOOL_CHOICES.includes(value as string)) return;
  if (
    isObject(value) &&
    value['type'] === 'function' &&
    isObject(value['function']) &&
    typeof value['function']['name'] === 'string'
  )
    return;
  throw invalidValue('tool_choice', "'tool_choice' must be none, auto, required or a function by name.");
};

const checkMetadata = (value: unknown): void => {
  if (!isObject(value)) throw invalidValue('metadata', "'metadata' must be an object.");
  const entries = Object.entries(value);
  if (entries.length > METADATA_KEYS_MAX)
    throw invalidValue('metadata', `'metadata' takes at most ${METADATA_KEYS_MAX} keys.`);
  for (const [key, text] of entries)
    if (key.length > METADATA_KEY_CHARS_MAX || typeof text !== 'string' || text.length > METADATA_CHARS_MAX)
      throw invalidValue(
        'metadata',
        `'metadata' values are strings of at most ${METADATA_CHARS_MAX} characters.`,
      );
};

const CHECKS: Readonly<Record<string, (value: unknown) => void>> = {
  stop: checkStop,
  stream_options: checkStreamOptions,
  response_format: checkResponseFormat,
  tools: checkTools,
  functions: checkFunctions,
  function_call: checkFunctionCall,
  tool_choice: checkToolChoice,
  metadata: checkMetadata,
};
