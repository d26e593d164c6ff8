/**
 * The price list as customers read it, typed from the documentation: nano-dollars per token, which is the printed
 * dollars per million tokens times 1,000. Written without any code of the platform, so that a mistake there cannot
 * hide here.
 */
export const PRICE_LIST: Readonly<Record<string, { readonly input: bigint; readonly output: bigint }>> = {
  'deepseek-chat': { input: 200n, output: 400n },
  'deepseek-reasoner': { input: 2_500n, output: 5_000n },
  'qwen3.7-max': { input: 1_800n, output: 5_400n },
  'minimax-m3': { input: 430n, output: 3_310n },
  'qwen3.5-flash': { input: 70n, output: 220n },
  'glm-4-flash': { input: 70n, output: 220n },
  'qwen3.7-plus': { input: 580n, output: 1_740n },
  'glm-4-plus': { input: 1_800n, output: 5_400n },
  'minimax-m2.5': { input: 220n, output: 1_650n },
  'minimax-m2.7': { input: 290n, output: 1_730n },
  'qwen-coder-plus': { input: 580n, output: 1_740n },
  'qwen-math-plus': { input: 580n, output: 1_740n },
  'qwen-vl-max': { input: 750n, output: 4_200n },
  'qwen-vl-plus': { input: 250n, output: 2_300n },
  'glm-4v': { input: 450n, output: 1_300n },
  'text-embedding-v3': { input: 100n, output: 0n },
  'embedding-3': { input: 100n, output: 0n },
};

/** Price of some tokens of a model, in nano-dollars. The documentation has no cheaper price for cached tokens. */
export const priceOfTokens = (model: string, promptTokens: number, outputTokens: number): bigint => {
  const price = PRICE_LIST[model];
  if (price === undefined) throw new Error(`no price for ${model}`);
  return BigInt(promptTokens) * price.input + BigInt(outputTokens) * price.output;
};
