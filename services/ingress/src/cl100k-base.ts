import { tokenTable, type TokenTable } from './domain/token-ids.js';

let loaded: TokenTable | undefined;
let loading: Promise<TokenTable> | undefined;

/**
 * The vocabulary `cl100k_base`, which LangChain encodes embeddings input with before it sends it: a promise until it is
 * loaded. That is when the first client needs it: it takes about 10 MB and 50 ms.
 */
export const cl100kBase = (): TokenTable | Promise<TokenTable> => {
  loading ??= import('js-tiktoken/ranks/cl100k_base').then(
    ({ default: ranks }) => (loaded = tokenTable(ranks.bpe_ranks, ranks.special_tokens)),
  );
  return loaded ?? loading;
};
