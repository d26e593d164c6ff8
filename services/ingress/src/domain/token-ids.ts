import { invalidValue } from './parameter-faults.js';

/** The text, in base64, of each token id. */
export type TokenTable = ReadonlyMap<number, string>;

/**
 * Reads a vocabulary in tiktoken's form: lines of `! FIRST_ID TOKEN TOKEN …`, tokens in base64 and in the order of their
 * ids, and special tokens by their text.
 */
export const tokenTable = (ranks: string, special: Readonly<Record<string, number>>): TokenTable => {
  const table = new Map<number, string>();
  for (const line of ranks.split('\n')) {
    const [, first, ...tokens] = line.split(' ');
    for (const [index, token] of tokens.entries()) table.set(Number(first) + index, token);
  }
  for (const [text, id] of Object.entries(special)) table.set(id, Buffer.from(text).toString('base64'));
  return table;
};

/**
 * The text that token ids stand for. Tokens may end within a character; what is no UTF-8 in the end is replaced.
 * @param param the member, for the words of a refusal
 * @throws Fault `invalid_value` naming the first id that is none
 */
export const decodeTokenIds = (ids: readonly number[], table: TokenTable, param: string): string => {
  const pieces: Buffer[] = [];
  for (const [index, id] of ids.entries()) {
    const token = table.get(id);
    if (token === undefined)
      throw invalidValue(`${param}[${index}]`, `'${param}[${index}]' is not a token id of cl100k_base.`);
    pieces.push(Buffer.from(token, 'base64'));
  }
  return Buffer.concat(pieces).toString();
};
