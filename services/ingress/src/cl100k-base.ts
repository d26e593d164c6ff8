import { tokenTable, type TokenTable } from './domain/token-ids.js';

let loading: Promise<TokenTable> | undefined;

/**
 * The vocabulary `cl100k_base`, which LangChain encodes embeddings input with before it sends it. Loaded when the first
 * client needs it: it takes about 10 MB and 50 ms.
 */
export const cl100kBase = (): Promise<TokenTable> => {
  loading ??= import('js-tiktoken/ranks/cl100k_base').then(({ default: ranks }) =>
    tokenTable(ranks.bpe_ranks, ranks.special_tokens),
  );
  return loading;
};
