/** A model of MiniMax. */
export interface MiniMaxModel {
  readonly contextTokens: number;
  readonly outputTokensMax: number;
  /** Whether `thinking` can be switched off. */
  readonly switchable: boolean;
  readonly vision: boolean;
  /** The role of deltas after the first. */
  readonly laterRole: 'assistant' | '';
  /** A second tool call has the index of the first again, with a new id. */
  readonly repeatsIndex: boolean;
}

const m2: MiniMaxModel = {
  contextTokens: 204_800,
  outputTokensMax: 204_800,
  switchable: false,
  vision: false,
  laterRole: 'assistant',
  repeatsIndex: false,
};
const m27: MiniMaxModel = { ...m2, repeatsIndex: true };
const m25: MiniMaxModel = { ...m2, laterRole: '' };

/** Models by name. Names are case-sensitive. */
export const MINIMAX_MODELS: Readonly<Record<string, MiniMaxModel>> = {
  'MiniMax-M3': { ...m2, contextTokens: 1_048_576, outputTokensMax: 524_288, switchable: true, vision: true },
  'MiniMax-M2.7': m27,
  'MiniMax-M2.7-highspeed': m27,
  'MiniMax-M2.5': m25,
  'MiniMax-M2.5-highspeed': m25,
  'MiniMax-M2.1': m2,
  'MiniMax-M2.1-highspeed': m2,
  'MiniMax-M2': m2,
};
