/** A model of DeepSeek. */
export interface DeepSeekModel {
  /** Its name in answers. */
  readonly id: string;
  readonly vision: boolean;
}

export const CONTEXT_TOKENS = 1_048_576;
export const OUTPUT_TOKENS_MAX = 393_216;

const FLASH: DeepSeekModel = { id: 'deepseek-flash', vision: true };

/** Names that are accepted. `deepseek-chat` and `deepseek-reasoner` are retired and unknown upstream. */
export const DEEPSEEK_MODELS: Readonly<Record<string, DeepSeekModel>> = {
  'deepseek-flash': FLASH,
  'deepseek-v4-flash': FLASH,
  'deepseek-v4-pro': { id: 'deepseek-v4-pro', vision: false },
};

/** Names that the list of models shows: fewer than are accepted. */
export const LISTED_MODELS = ['deepseek-flash', 'deepseek-v4-pro'];
