import type { ChatMessage, ChatRequest } from '@tunan/contracts';
import { offeredTools } from './offered-tools.js';

/** The names of a request's functions on their way to the provider, and back to the client. */
export interface ToolNames {
  /** What the provider is told. */
  readonly sent: (name: string) => string;
  /** What the client is told. */
  readonly shown: (name: string) => string;
}

/** Names go through as they are. */
export const SAME_NAMES: ToolNames = { sent: (name) => name, shown: (name) => name };

/**
 * The names of one request at a provider that keeps some for itself: those get a stand-in that no other function of the
 * request has, wherever they stand, and the model's calls of it get the name back.
 */
export const toolNames = (request: ChatRequest, reserved: readonly string[]): ToolNames => {
  if (reserved.length === 0) return SAME_NAMES;
  const used = new Set(offeredTools(request).map((tool) => tool.function.name));
  for (const message of request.messages) for (const name of calledIn(message)) used.add(name);
  const standIns = new Map(
    reserved.filter((name) => used.has(name)).map((name) => [name, standInOf(name, used)]),
  );
  if (standIns.size === 0) return SAME_NAMES;
  const names = new Map([...standIns].map(([name, standIn]) => [standIn, name]));
  return { sent: (name) => standIns.get(name) ?? name, shown: (name) => names.get(name) ?? name };
};

const calledIn = (message: ChatMessage): readonly string[] => {
  const { function_call: legacy } = message as { readonly function_call?: { readonly name?: string } | null };
  const calls = message.tool_calls?.map((call) => call.function.name) ?? [];
  return legacy?.name === undefined ? calls : [...calls, legacy.name];
};

const standInOf = (name: string, used: ReadonlySet<string>): string => {
  let standIn = `${name}_`;
  while (used.has(standIn)) standIn += '_';
  return standIn;
};
