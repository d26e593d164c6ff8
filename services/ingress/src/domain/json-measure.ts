import { Fault } from '@tunan/kernel';

/** Deepest nesting of a request body. Far above any real request, far below what breaks a serializer. */
export const JSON_DEPTH_MAX = 64;
/** Objects, arrays and members of a request body. 2,048 messages with tool calls have a fifth of that. */
export const JSON_NODES_MAX = 100_000;
/** Items and members of a request body that are no token ids, of which an endpoint may have more. */
export const JSON_VALUES_MAX = 100_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

/** What JSON text is made of, found without building it. */
export interface JsonMeasure {
  /** Members of all objects, as written. */
  readonly members: number;
}

/**
 * Counts what a JSON text consists of, in one pass that jumps over strings: what a parser would need gigabytes for is
 * refused before it is parsed. For text that is not JSON the counts mean nothing.
 * @param valuesMax most items and members
 * @throws Fault `invalid_json` beyond the bounds above
 */
export const measureJson = (text: string, valuesMax = JSON_VALUES_MAX): JsonMeasure => {
  let depth = 0;
  let containers = 0;
  let members = 0;
  let commas = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = stringEnd(text, at);
        break;
      case BRACE_OPEN:
      case BRACKET_OPEN:
        depth += 1;
        containers += 1;
        if (depth > JSON_DEPTH_MAX) throw beyond(`is nested deeper than ${JSON_DEPTH_MAX} levels`);
        if (containers + members > JSON_NODES_MAX) throw tooMany(valuesMax);
        break;
      case BRACE_CLOSE:
      case BRACKET_CLOSE:
        depth -= 1;
        break;
      case COLON:
        members += 1;
        if (containers + members > JSON_NODES_MAX) throw tooMany(valuesMax);
        break;
      case COMMA:
        commas += 1;
        if (commas > valuesMax) throw tooMany(valuesMax);
    }
  }
  return { members };
};

const beyond = (what: string): Fault => new Fault('invalid_json', `The request body ${what}.`);

const tooMany = (valuesMax: number): Fault =>
  beyond(`has more than ${JSON_NODES_MAX} objects, arrays and members, or ${valuesMax} values`);

/** Position of the quote that ends the string that begins at `start`, or of the text's end. */
const stringEnd = (text: string, start: number): number => {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1))
    if (!isEscaped(text, end)) return end;
  return text.length;
};

/** An odd number of backslashes before a character escapes it. */
const isEscaped = (text: string, at: number): boolean => {
  let first = at;
  while (text.charCodeAt(first - 1) === BACKSLASH) first -= 1;
  return (at - first) % 2 === 1;
};
