import { textOf, type WireMessage } from './message.js';

const MAX_CHARS = 200_000;

/** The text of the first whole JSON object in a text, found by its braces. */
const firstObject = (text: string): string | undefined => {
  const start = text.indexOf('{');
  let depth = 0;
  let quoted = false;
  for (let i = start; i !== -1 && i < text.length; i += 1) {
    const char = text[i];
    if (quoted) {
      if (char === '\\') i += 1;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === '{') depth += 1;
    else if (char === '}' && (depth -= 1) === 0) return text.slice(start, i + 1);
  }
  return undefined;
};

/** The JSON Schema that a system message states, as models follow one where the API has no field for it. */
export const statedSchema = (messages: readonly WireMessage[]): Record<string, unknown> | undefined => {
  for (const message of messages) {
    if (message.role !== 'system') continue;
    const text = textOf(message.content).slice(0, MAX_CHARS);
    if (!/schema/i.test(text)) continue;
    try {
      const schema = JSON.parse(firstObject(text) ?? 'null') as Record<string, unknown> | null;
      if (schema !== null && ['type', 'properties', '$ref', 'anyOf'].some((key) => key in schema))
        return schema;
    } catch {
      // Not JSON: not a schema.
    }
  }
  return undefined;
};

/** Whether a system message asks for JSON and nothing else, which models follow as well. */
export const statesJson = (messages: readonly WireMessage[]): boolean =>
  messages.some(
    (message) =>
      message.role === 'system' && /\b(?:answer|respond|reply)\b[^.]*\bjson\b/i.test(textOf(message.content)),
  );
