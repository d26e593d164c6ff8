import { BehaviourError, type RawBehaviour } from './behaviour.js';

const OPEN = '[[sim';
const CLOSE = ']]';
const MEMBER = /\s*([a-z_]+)(?:=("(?:[^"\\]|\\.)*"|[^\s"\]]+))?/y;

const valueOf = (raw: string | undefined): string => {
  if (raw === undefined) return '';
  if (!raw.startsWith('"')) return raw;
  try {
    return JSON.parse(raw.replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')) as string;
  } catch {
    throw new BehaviourError(`not a quoted text: ${raw.slice(0, 80)}`);
  }
};

/**
 * Reads what `[[sim key=value key="quoted text" flag]]` asks for. Quoted texts have JSON's escapes. Several
 * directives add up, the last one wins. The values are still to be checked. Undefined without a directive.
 * @throws BehaviourError if a directive is not of this form
 */
export const readDirectives = (text: string): RawBehaviour | undefined => {
  let found: Record<string, unknown> | undefined;
  let end = 0;
  for (let start = text.indexOf(OPEN); start !== -1; start = text.indexOf(OPEN, end)) {
    found ??= {};
    end = start + OPEN.length;
    MEMBER.lastIndex = end;
    for (let match = MEMBER.exec(text); match !== null; match = MEMBER.exec(text)) {
      found[match[1]!] = valueOf(match[2]);
      end = MEMBER.lastIndex;
    }
    const close = text.slice(end, end + 100).trimStart();
    if (!close.startsWith(CLOSE))
      throw new BehaviourError(`a directive must be [[sim key=value …]]: ${text.slice(start, start + 80)}`);
  }
  return found as RawBehaviour | undefined;
};
