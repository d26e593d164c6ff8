import { Fault } from '@tunan/kernel';

const MESSAGES_MAX = 2_048;
const NAME_CHARS_MAX = 64;
const ROLES = ['system', 'developer', 'user', 'assistant', 'tool', 'function'];
const NUL = '\u0000';

type Json = Record<string, unknown>;

const invalid = (param: string, message: string): Fault => new Fault('invalid_value', message, { param });

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Checks the conversation: roles, content shapes, and that every tool result answers a call before it.
 * @throws Fault `invalid_value` with `param` naming the member, in the notation `messages[0].role`
 */
export const validateMessages = (messages: unknown): void => {
  if (!Array.isArray(messages) || messages.length === 0)
    throw invalid('messages', "'messages' must be a non-empty array of message objects.");
  if (messages.length > MESSAGES_MAX)
    throw invalid('messages', `'messages' takes at most ${MESSAGES_MAX} messages.`);
  const callIds = new Set<string>();
  for (let index = 0; index < messages.length; index += 1)
    validateMessage(messages[index], `messages[${index}]`, callIds);
};

const validateMessage = (message: unknown, param: string, callIds: Set<string>): void => {
  if (!isObject(message)) throw invalid(param, `'${param}' must be an object.`);
  const { role, name } = message;
  if (typeof role !== 'string' || !ROLES.includes(role))
    throw invalid(`${param}.role`, `'${param}.role' must be one of ${ROLES.join(', ')}.`);
  if (name != null && (typeof name !== 'string' || name.length > NAME_CHARS_MAX))
    throw invalid(
      `${param}.name`,
      `'${param}.name' must be a string of at most ${NAME_CHARS_MAX} characters.`,
    );
  const calls = role === 'assistant' && message['tool_calls'] != null;
  if (calls) validateToolCalls(message['tool_calls'], `${param}.tool_calls`, callIds);
  if (role === 'tool') validateToolResult(message, param, callIds);
  const optional = role === 'assistant' && (calls || message['function_call'] != null);
  validateContent(message['content'], `${param}.content`, optional);
};

const validateContent = (content: unknown, param: string, optional: boolean): void => {
  if (typeof content === 'string') return checkText(content, param);
  if (content === null || content === undefined) {
    if (optional) return;
    throw invalid(param, `'${param}' must be a string or an array of content parts.`);
  }
  if (!Array.isArray(content) || content.length === 0)
    throw invalid(param, `'${param}' must be a string or a non-empty array of content parts.`);
  for (let index = 0; index < content.length; index += 1) validatePart(content[index], `${param}[${index}]`);
};

const validatePart = (part: unknown, param: string): void => {
  if (!isObject(part)) throw invalid(param, `'${param}' must be an object.`);
  if (part['type'] === 'text') {
    if (typeof part['text'] !== 'string') throw invalid(`${param}.text`, `'${param}.text' must be a string.`);
    return checkText(part['text'], `${param}.text`);
  }
  if (part['type'] === 'image_url') {
    const url = isObject(part['image_url']) ? part['image_url']['url'] : undefined;
    if (typeof url !== 'string' || url === '')
      throw invalid(`${param}.image_url.url`, `'${param}.image_url.url' must be a URL.`);
    return;
  }
  throw invalid(`${param}.type`, `'${param}.type' must be text or image_url.`);
};

/** A NUL can't be stored by the ledger's database and no model has a use for it. */
const checkText = (text: string, param: string): void => {
  if (text.includes(NUL)) throw invalid(param, `'${param}' contains a NUL character.`);
};

const validateToolCalls = (calls: unknown, param: string, callIds: Set<string>): void => {
  if (!Array.isArray(calls) || calls.length === 0)
    throw invalid(param, `'${param}' must be a non-empty array.`);
  calls.forEach((call: unknown, index) => {
    const at = `${param}[${index}]`;
    if (!isObject(call) || typeof call['id'] !== 'string' || !isObject(call['function']))
      throw invalid(at, `'${at}' must have an 'id' and a 'function'.`);
    const { name, arguments: args } = call['function'];
    if (typeof name !== 'string' || typeof args !== 'string')
      throw invalid(`${at}.function`, `'${at}.function' must have a 'name' and 'arguments', both strings.`);
    callIds.add(call['id']);
  });
};

const validateToolResult = (message: Json, param: string, callIds: Set<string>): void => {
  const { tool_call_id: callId } = message;
  if (typeof callId !== 'string' || callId === '')
    throw invalid(`${param}.tool_call_id`, `'${param}.tool_call_id' is required for the role 'tool'.`);
  if (!callIds.has(callId))
    throw invalid(
      `${param}.tool_call_id`,
      `'${param}.tool_call_id' answers no tool call of an earlier assistant message.`,
    );
};
