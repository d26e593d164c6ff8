import { hashText } from './random.js';

/** A message as it came in: only what the simulator looks at, none of it checked. */
export interface WireMessage {
  readonly role?: unknown;
  readonly content?: unknown;
  readonly name?: unknown;
  readonly tool_calls?: unknown;
  readonly tool_call_id?: unknown;
  readonly reasoning_content?: unknown;
  readonly reasoning_details?: unknown;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The members of a list that are objects; an empty list for anything else. */
export const records = (value: unknown): readonly Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter(isRecord) : [];

/** The text of a message's content: a string, or the text parts of a list, joined. */
export const textOf = (content: unknown): string => {
  if (typeof content === 'string') return content;
  return records(content)
    .map((part) => (typeof part['text'] === 'string' ? part['text'] : ''))
    .join('');
};

/** Number of images in a message's content. */
export const imagesOf = (content: unknown): number =>
  records(content).filter((part) => part['type'] === 'image_url').length;

/** The names and arguments of a message's tool calls. */
export const toolCallsOf = (
  message: WireMessage,
): readonly { readonly id: unknown; readonly name: string; readonly arguments: string }[] =>
  records(message.tool_calls).map((call) => {
    const called = isRecord(call['function']) ? call['function'] : {};
    return {
      id: call['id'],
      name: String(called['name'] ?? ''),
      arguments: String(called['arguments'] ?? ''),
    };
  });

/** Text of the last message of a role, or an empty text. */
export const lastText = (messages: readonly WireMessage[], role: string): string =>
  textOf(messages.findLast((message) => message.role === role)?.content);

/** Seed of the answer to a conversation with a model: the same question gets the same answer. */
export const conversationSeed = (model: string, messages: readonly WireMessage[]): number => {
  let seed = hashText(model);
  for (const message of messages) {
    seed = hashText(String(message.role), seed);
    seed = hashText(textOf(message.content), seed);
    for (const call of toolCallsOf(message)) seed = hashText(call.name + call.arguments, seed);
  }
  return seed;
};

/** What the log keeps of a conversation: its form, not its content. */
export interface ConversationShape {
  readonly roles: readonly string[];
  readonly count: number;
  readonly textChars: number;
  readonly images: number;
  readonly toolCalls: number;
  /** Assistant messages that carry `reasoning_content`, even empty. */
  readonly reasoned: number;
  /** Assistant messages whose `reasoning_details` have a text. */
  readonly detailed: number;
}

const ROLES_KEPT = 64;

/** The form of a conversation. */
export const conversationShape = (messages: readonly WireMessage[]): ConversationShape => ({
  roles: messages.slice(0, ROLES_KEPT).map((message) => String(message.role).slice(0, 16)),
  count: messages.length,
  textChars: messages.reduce((sum, message) => sum + textOf(message.content).length, 0),
  images: messages.reduce((sum, message) => sum + imagesOf(message.content), 0),
  toolCalls: messages.reduce((sum, message) => sum + records(message.tool_calls).length, 0),
  reasoned: messages.filter((message) => typeof message.reasoning_content === 'string').length,
  detailed: messages.filter(({ reasoning_details: details }) =>
    records(details).some(({ type, text }) => type === 'reasoning.text' && typeof text === 'string'),
  ).length,
});
