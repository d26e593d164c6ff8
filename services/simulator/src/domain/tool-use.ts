import type { Ask, Tool } from './ask.js';
import type { Behaviour } from './behaviour.js';
import { lastText, textOf, type WireMessage } from './message.js';

const ASKS_FOR_TOOL = /\b(tool|weather)/i;
const INSISTS = /\bmust\b/i;

/** The tool that a conversation speaks of: by name in the last user message, or in a system message that insists. */
const spokenOf = (tools: readonly Tool[], messages: readonly WireMessage[]): Tool | undefined => {
  const user = lastText(messages, 'user');
  const insisting = messages
    .filter((message) => message.role === 'system')
    .map((message) => textOf(message.content))
    .filter((text) => INSISTS.test(text));
  return (
    tools.find(({ name }) => user.includes(name)) ??
    tools.find(({ name }) => insisting.some((text) => text.includes(name))) ??
    (ASKS_FOR_TOOL.test(user) ? (tools.find(({ name }) => /weather/i.test(name)) ?? tools[0]) : undefined)
  );
};

const firstTool = (ask: Ask, messages: readonly WireMessage[], behaviour: Behaviour): Tool | undefined => {
  const { toolChoice, tools } = ask;
  const named = behaviour.tool ?? (typeof toolChoice === 'object' ? toolChoice.name : undefined);
  if (named !== undefined) return tools.find((tool) => tool.name === named);
  if (toolChoice === 'none' || behaviour.say !== undefined) return undefined;
  const spoken = spokenOf(tools, messages);
  if (toolChoice === 'required') return spoken ?? tools[0];
  // After a tool's result comes the answer.
  return messages.at(-1)?.role === 'tool' ? undefined : spoken;
};

/**
 * The tools that an answer calls, in order: the one that was forced; else, unless the last message is a tool's
 * result, the one that the last user message names, or that a system message with "must" names, or that words like
 * "tool" and "weather" suggest. One at a time where the call does not allow several.
 */
export const toolsToCall = (
  ask: Ask,
  messages: readonly WireMessage[],
  behaviour: Behaviour,
): readonly Tool[] => {
  const first = firstTool(ask, messages, behaviour);
  if (first === undefined) return [];
  const start = ask.tools.indexOf(first);
  const calls = behaviour.tool_calls ?? 1;
  return Array.from(
    { length: ask.parallelToolCalls ? calls : Math.min(1, calls) },
    (_, i) => ask.tools[(start + i) % ask.tools.length]!,
  );
};
