import type { ChatMessage, ContentPart, ToolCall } from '@tunan/contracts';
import type { Dialect } from './dialect.js';
import { SAME_NAMES, type ToolNames } from './tool-names.js';

/** A message as it is sent: roles of today, no member that is not OpenAI's. */
export interface SentMessage {
  role: string;
  content: string | readonly ContentPart[];
  name?: string;
  tool_calls?: readonly ToolCall[];
  tool_call_id?: string;
  reasoning_content?: string;
  reasoning_details?: readonly ReasoningDetail[];
}

/** A piece of thinking as MiniMax writes it, and wants it back. */
export interface ReasoningDetail {
  readonly type: 'reasoning.text';
  readonly id: string;
  readonly format: string;
  readonly index: number;
  readonly text: string;
}

/** Members of the time before tools. */
interface LegacyMessage {
  readonly function_call?: { readonly name?: string; readonly arguments?: string } | null;
}

const MERGE = '\n\n';

/**
 * Messages in the form that a provider takes. Never changes its input: failover encodes it again.
 * @param instructions what has to be said to the model besides; added as a system message
 */
export const sentMessages = (
  messages: readonly ChatMessage[],
  rules: Dialect['messages'],
  thinking: boolean | null,
  instructions: readonly string[],
  naming: ToolNames = SAME_NAMES,
): SentMessage[] => {
  const sent = messages.map((message, index) => sentMessage(message, index, rules, thinking, naming));
  if (instructions.length > 0) sent.push({ role: 'system', content: instructions.join(MERGE) });
  const ordered = rules.systemFirst ? systemFirst(sent) : sent;
  if (rules.userRequired && !ordered.some((message) => message.role === 'user')) lastSystemAsUser(ordered);
  return ordered;
};

const sentMessage = (
  message: ChatMessage & LegacyMessage,
  index: number,
  rules: Dialect['messages'],
  thinking: boolean | null,
  naming: ToolNames,
): SentMessage => {
  const content = flatten(message.content);
  switch (message.role) {
    case 'developer':
    case 'system':
      return withName({ role: 'system', content }, message.name);
    case 'user':
      return withName({ role: 'user', content }, message.name);
    case 'tool':
      return { role: 'tool', content, tool_call_id: message.tool_call_id ?? '' };
    case 'function':
      // The answer to the legacy call in the message before it.
      return { role: 'tool', content, tool_call_id: legacyCallId(index - 1) };
    case 'assistant': {
      const calls = callsOf(message, index);
      const reasoning = reasoningOf(message, calls.length > 0, rules, thinking);
      const said = message.content == null ? (message.refusal ?? '') : content;
      const sent = withName({ role: 'assistant', content: said }, message.name);
      if (calls.length > 0) sent.tool_calls = naming === SAME_NAMES ? calls : renamed(calls, naming);
      if (reasoning !== undefined) sent.reasoning_content = reasoning;
      if (rules.reasoning === 'keep' && reasoning) sent.reasoning_details = [reasoningDetail(reasoning)];
      return sent;
    }
  }
};

const withName = (sent: SentMessage, name: string | undefined): SentMessage => {
  if (name != null) sent.name = name;
  return sent;
};

/** Text parts become one text: several providers drop or refuse lists. With an image among them they stay a list. */
const flatten = (content: ChatMessage['content']): string | readonly ContentPart[] => {
  if (typeof content === 'string') return content;
  if (content == null) return '';
  if (content.some((part) => part.type === 'image_url')) return content.map(sentPart);
  return content.map(textOf).join('\n');
};

/** No provider has refusals: what was said instead of an answer is what the assistant said. */
const textOf = (part: ContentPart): string =>
  part.type === 'text' ? part.text : part.type === 'refusal' ? part.refusal : '';

/** `detail` is left out, as the capability table has it. */
const sentPart = (part: ContentPart): ContentPart =>
  part.type === 'image_url'
    ? { type: 'image_url', image_url: { url: part.image_url.url } }
    : { type: 'text', text: textOf(part) };

const legacyCallId = (index: number): string => `call_${index}`;

const callsOf = (message: ChatMessage & LegacyMessage, index: number): readonly ToolCall[] => {
  if (message.tool_calls != null && message.tool_calls.length > 0) return message.tool_calls;
  const legacy = message.function_call;
  if (legacy == null) return [];
  const { name = '', arguments: text = '' } = legacy;
  return [{ id: legacyCallId(index), type: 'function', function: { name, arguments: text } }];
};

const renamed = (calls: readonly ToolCall[], { sent }: ToolNames): readonly ToolCall[] =>
  calls.map((call) => ({ ...call, function: { ...call.function, name: sent(call.function.name) } }));

/** Thinking in the second of the two forms in which it stands in a message, all of which has to come back. */
export const reasoningDetail = (text: string): ReasoningDetail => ({
  type: 'reasoning.text',
  id: 'reasoning-text-1',
  format: 'MiniMax-response-v1',
  index: 0,
  text,
});

/**
 * Thinking of an earlier answer. Where a provider demands it after tool calls and the client dropped it, a blank stands
 * in: an empty one is refused as missing.
 */
const reasoningOf = (
  message: ChatMessage,
  hasCalls: boolean,
  rules: Dialect['messages'],
  thinking: boolean | null,
): string | undefined => {
  if (thinking === false || rules.reasoning === 'drop') return undefined;
  const reasoning = message.reasoning_content;
  if (rules.reasoning === 'keep') return reasoning ?? undefined;
  if (!hasCalls) return undefined;
  return reasoning == null || reasoning === '' ? ' ' : reasoning;
};

const systemFirst = (messages: readonly SentMessage[]): SentMessage[] => {
  const system = messages.filter((message) => message.role === 'system');
  if (system.length === 0 || (system.length === 1 && messages[0] === system[0])) return [...messages];
  const content = system.map((message) => message.content).join(MERGE);
  return [{ role: 'system', content }, ...messages.filter((message) => message.role !== 'system')];
};

/** A prompt of instructions only: the last of them is what is asked. */
const lastSystemAsUser = (messages: SentMessage[]): void => {
  const at = messages.findLastIndex((message) => message.role === 'system');
  if (at >= 0) messages[at] = { ...messages[at]!, role: 'user' };
  else messages.push({ role: 'user', content: ' ' });
};
