import { checkImageUrl } from './image-url.js';
import { invalidValue, unsupported } from './parameter-faults.js';

export const MESSAGES_MAX = 2_048;
export const NAME_CHARS_MAX = 64;
const ROLES = ['system', 'developer', 'user', 'assistant', 'tool', 'function'];
export const IMAGE_DETAILS = ['auto', 'low', 'high'];
const NUL = '\u0000';

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What the model of a conversation takes besides text. */
export interface MessageCapabilities {
  /** The model's id, for the words of a refusal. */
  readonly model: string;
  readonly vision: boolean;
}

/**
 * Checks the conversation: roles, content shapes, that every tool result answers a call before it, and that every call
 * is answered before the conversation goes on.
 * @throws Fault 400 with `param` naming the member, in the notation `messages[0].role`
 */
export const validateMessages = (messages: unknown, capabilities: MessageCapabilities): void => {
  if (!Array.isArray(messages) || messages.length === 0)
    throw invalidValue('messages', "'messages' must be a non-empty array of message objects.");
  if (messages.length > MESSAGES_MAX)
    throw invalidValue('messages', `'messages' takes at most ${MESSAGES_MAX} messages.`);
  const conversation = new Conversation(capabilities);
  for (let index = 0; index < messages.length; index += 1)
    conversation.message(messages[index], `messages[${index}]`);
  conversation.end();
};

/** Reads messages in order and remembers which calls wait for their results. */
class Conversation {
  readonly #known = new Set<string>();
  readonly #open = new Set<string>();
  /** Where the calls that wait stand. */
  #openAt = '';
  /** True right after an assistant message with a legacy `function_call`. */
  #functionCalled = false;

  constructor(private readonly capabilities: MessageCapabilities) {}

  message(message: unknown, at: string): void {
    if (!isObject(message)) throw invalidValue(at, `'${at}' must be an object.`);
    const { role, name } = message;
    if (typeof role !== 'string' || !ROLES.includes(role))
      throw invalidValue(`${at}.role`, `'${at}.role' must be one of ${ROLES.join(', ')}.`);
    if (name != null && (typeof name !== 'string' || name.length > NAME_CHARS_MAX))
      throw invalidValue(
        `${at}.name`,
        `'${at}.name' must be a string of at most ${NAME_CHARS_MAX} characters.`,
      );
    if (role === 'user' || role === 'assistant') this.end();
    const functionCalled = this.#functionCalled;
    this.#functionCalled = false;
    switch (role) {
      case 'assistant':
        return this.#assistant(message, at);
      case 'tool':
        this.#toolResult(message, at);
        break;
      case 'function':
        checkFunctionResult(message, at, functionCalled);
        break;
    }
    const partTypes = role === 'user' ? ['text', 'image_url'] : ['text'];
    this.#content(message['content'], `${at}.content`, partTypes);
  }

  /** @throws Fault if a call has no result */
  end(): void {
    if (this.#open.size === 0) return;
    throw invalidValue(
      this.#openAt,
      `The tool calls of '${this.#openAt}' must be followed by a message of role 'tool' for each of them.`,
    );
  }

  #assistant(message: Json, at: string): void {
    const {
      content,
      refusal,
      tool_calls: calls,
      function_call: call,
      reasoning_content: reasoning,
    } = message;
    if (reasoning != null && typeof reasoning !== 'string')
      throw invalidValue(`${at}.reasoning_content`, `'${at}.reasoning_content' must be a string.`);
    if (refusal != null) checkRefusal(refusal, `${at}.refusal`);
    if (calls != null) this.#toolCalls(calls, `${at}.tool_calls`);
    if (call != null) {
      checkFunction(call, `${at}.function_call`);
      this.#functionCalled = true;
    }
    const optional = calls != null || call != null || refusal != null;
    if (content == null && optional) return;
    this.#content(content, `${at}.content`, ['text', 'refusal']);
  }

  #content(content: unknown, at: string, partTypes: readonly string[]): void {
    if (typeof content === 'string') return checkText(content, at);
    if (!Array.isArray(content) || content.length === 0)
      throw invalidValue(at, `'${at}' must be a string or a non-empty array of content parts.`);
    for (let index = 0; index < content.length; index += 1)
      this.#part(content[index], `${at}[${index}]`, partTypes);
  }

  #part(part: unknown, at: string, partTypes: readonly string[]): void {
    if (!isObject(part)) throw invalidValue(at, `'${at}' must be an object.`);
    const { type } = part;
    if (typeof type !== 'string' || !partTypes.includes(type))
      throw invalidValue(
        `${at}.type`,
        `'${at}.type' must be ${partTypes.join(' or ')} in a message of this role.`,
      );
    if (type === 'image_url') return this.#image(part['image_url'], at);
    const text = part[type];
    if (typeof text !== 'string') throw invalidValue(`${at}.${type}`, `'${at}.${type}' must be a string.`);
    checkText(text, `${at}.${type}`);
  }

  #image(image: unknown, at: string): void {
    const { model, vision } = this.capabilities;
    if (!vision)
      throw unsupported(
        at,
        `The model '${model}' does not take images. GET /v1/models shows which models do.`,
      );
    const { url, detail } = isObject(image) ? image : {};
    checkImageUrl(url, `${at}.image_url.url`);
    if (detail != null && !IMAGE_DETAILS.includes(detail as string))
      throw invalidValue(
        `${at}.image_url.detail`,
        `'${at}.image_url.detail' must be one of ${IMAGE_DETAILS.join(', ')}.`,
      );
  }

  #toolCalls(calls: unknown, at: string): void {
    if (!Array.isArray(calls) || calls.length === 0)
      throw invalidValue(at, `'${at}' must be a non-empty array.`);
    this.#openAt = at;
    calls.forEach((call: unknown, index) => {
      const callAt = `${at}[${index}]`;
      if (!isObject(call) || typeof call['id'] !== 'string' || call['id'] === '')
        throw invalidValue(callAt, `'${callAt}' must have an 'id' and a 'function'.`);
      checkFunction(call['function'], `${callAt}.function`);
      this.#known.add(call['id']);
      this.#open.add(call['id']);
    });
  }

  #toolResult(message: Json, at: string): void {
    const { tool_call_id: callId } = message;
    const param = `${at}.tool_call_id`;
    if (typeof callId !== 'string' || callId === '')
      throw invalidValue(param, `'${param}' is required for the role 'tool'.`);
    if (!this.#known.has(callId))
      throw invalidValue(param, `'${param}' answers no tool call of an earlier assistant message.`);
    this.#open.delete(callId);
  }
}

/** A NUL can't be stored by the ledger's database and no model has a use for it. */
const checkText = (text: string, at: string): void => {
  if (text.includes(NUL)) throw invalidValue(at, `'${at}' contains a NUL character.`);
};

const checkRefusal = (value: unknown, at: string): void => {
  if (typeof value !== 'string') throw invalidValue(at, `'${at}' must be a string.`);
  checkText(value, at);
};

/** Arguments are the model's text: they need not be JSON. */
const checkFunction = (value: unknown, at: string): void => {
  if (!isObject(value) || typeof value['name'] !== 'string' || typeof value['arguments'] !== 'string')
    throw invalidValue(at, `'${at}' must have a 'name' and 'arguments', both strings.`);
};

/** The legacy form of a tool result has no id: it answers the message before it. */
const checkFunctionResult = (message: Json, at: string, called: boolean): void => {
  if (typeof message['name'] !== 'string' || message['name'] === '')
    throw invalidValue(`${at}.name`, `'${at}.name' is required for the role 'function'.`);
  if (!called) throw invalidValue(at, `'${at}' must follow an assistant message with a 'function_call'.`);
};
