import { invalidValue } from './parameter-faults.js';

/** The bytes of each token id, one in each character: joining such texts costs a fraction of joining buffers. */
export type TokenTable = readonly (string | undefined)[];

/**
 * Reads a vocabulary in tiktoken's form: lines of `! FIRST_ID TOKEN TOKEN …`, tokens in base64 and in the order of their
 * ids, and special tokens by their text.
 */
export const tokenTable = (ranks: string, special: Readonly<Record<string, number>>): TokenTable => {
  const table: string[] = [];
  for (const line of ranks.split('\n')) {
    const [, first, ...tokens] = line.split(' ');
    for (const [index, token] of tokens.entries()) table[Number(first) + index] = bytesOf(token, 'base64');
  }
  for (const [text, id] of Object.entries(special)) table[id] = bytesOf(text, 'utf8');
  return table;
};

/**
 * The text that token ids stand for. Tokens may end within a character; what is no UTF-8 in the end is replaced.
 * @param param the member, for the words of a refusal
 * @throws Fault `invalid_value` naming the first id that is none
 */
export const decodeTokenIds = (ids: readonly number[], table: TokenTable, param: string): string => {
  const tokens = ids.map((id, index) => {
    const token = table[id];
    if (token === undefined)
      throw invalidValue(`${param}[${index}]`, `'${param}[${index}]' is not a token id of cl100k_base.`);
    return token;
  });
  return Buffer.from(tokens.join(''), 'latin1').toString();
};

const bytesOf = (text: string, encoding: 'base64' | 'utf8'): string =>
  Buffer.from(text, encoding).toString('latin1');
