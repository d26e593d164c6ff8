/**
 * The simulator's tokenizer. It is nobody else's: tests compare the gateway's estimate with it, so the two must not
 * share code. English prose comes to about 0.28 tokens per character and Chinese to about 0.6, close to the figures
 * that DeepSeek documents (0.3 and 0.6). A token is the longest of, from left to right:
 *
 * - one space (kept with what follows) and up to 4 letters, 3 digits, 3 marks, 2 ideographs or 2 other characters;
 * - up to 8 blanks; one CJK punctuation mark; one character outside the basic plane.
 *
 * No token is shorter than one character, so a text never has more tokens than UTF-8 bytes.
 */
const enum Kind {
  Blank,
  Letter,
  Digit,
  Mark,
  Ideograph,
  CjkMark,
  Pair,
  Other,
}

const MAX_RUN: Record<Kind, number> = {
  [Kind.Blank]: 8,
  [Kind.Letter]: 4,
  [Kind.Digit]: 3,
  [Kind.Mark]: 3,
  [Kind.Ideograph]: 2,
  [Kind.CjkMark]: 1,
  [Kind.Pair]: 2,
  [Kind.Other]: 2,
};

const SPACE = 0x20;

const asciiKind = (code: number): Kind => {
  if (code === SPACE || (code >= 9 && code <= 13)) return Kind.Blank;
  if (code >= 0x30 && code <= 0x39) return Kind.Digit;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x7a ? Kind.Letter : Kind.Mark;
};

const classify = (code: number): Kind => {
  if (code < 0x80) return asciiKind(code);
  if (code >= 0xd800 && code <= 0xdfff) return Kind.Pair;
  if ((code >= 0x3000 && code <= 0x303f) || code >= 0xff00) return Kind.CjkMark;
  if ((code >= 0x3040 && code <= 0x9fff) || (code >= 0xac00 && code <= 0xd7a3)) return Kind.Ideograph;
  return Kind.Other;
};

/** Kind of every UTF-16 code unit: prompts of hundreds of kilobytes are counted on every call. */
const KINDS = Uint8Array.from({ length: 0x1_0000 }, (_, code) => classify(code));

const kindOf = (text: string, at: number): Kind => KINDS[text.charCodeAt(at)]!;

/** Index after the token that starts at `start` (< length). */
const tokenEnd = (text: string, start: number): number => {
  let at = start;
  let kind = kindOf(text, at);
  if (text.charCodeAt(at) === SPACE && at + 1 < text.length) {
    const following = kindOf(text, at + 1);
    if (following !== Kind.Blank) {
      at += 1;
      kind = following;
    }
  }
  const limit = Math.min(text.length, at + MAX_RUN[kind]);
  do at += 1;
  while (at < limit && kindOf(text, at) === kind);
  return at;
};

/** Number of tokens in a text. Linear, allocates nothing. */
export const countTokens = (text: string): number => {
  let count = 0;
  for (let at = 0; at < text.length; count += 1) at = tokenEnd(text, at);
  return count;
};

/** The tokens of a text, in order; joined they are the text again. */
export const splitTokens = (text: string): string[] => {
  const tokens: string[] = [];
  for (let at = 0; at < text.length;) {
    const end = tokenEnd(text, at);
    tokens.push(text.slice(at, end));
    at = end;
  }
  return tokens;
};

/** True if the text contains a Chinese, Japanese or Korean character. */
export const hasIdeographs = (text: string): boolean => /[\u3040-\u9fff\uac00-\ud7a3]/.test(text);
