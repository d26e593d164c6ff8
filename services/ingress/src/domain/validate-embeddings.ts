import type { CatalogModel, EmbeddingsRequest } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { estimateTokens } from '@tunan/llm';
import { invalidValue, missing } from './parameter-faults.js';
import { decodeTokenIds, type TokenTable } from './token-ids.js';

export const INPUTS_MAX = 2_048;
/** Token ids of one request, as OpenAI limits them: each becomes a piece of text. */
export const IDS_MAX = 300_000;
export const ENCODINGS = ['float', 'base64'];
export const USER_CHARS_MAX = 512;
const NUL = '\u0000';
/** The estimate may be off by a third in either direction: only what is sure is refused here. */
const SURELY = 0.66;

/** What a client may send as input: texts, or their token ids in `cl100k_base`. */
export type RawInput = string | readonly string[] | readonly number[] | readonly (readonly number[])[];

/**
 * Checks an embeddings request, except `model`. Nothing is coerced or changed.
 * @throws Fault 400 with `param` set
 */
export const validateEmbeddings = (body: Record<string, unknown>, model: CatalogModel): RawInput => {
  const input = validateInput(body['input'], model);
  const { encoding_format: encoding, dimensions, user } = body;
  if (encoding != null && !ENCODINGS.includes(encoding as string))
    throw invalidValue('encoding_format', `'encoding_format' must be one of ${ENCODINGS.join(', ')}.`);
  if (dimensions != null && !model.dimensions.includes(dimensions as number))
    throw invalidValue(
      'dimensions',
      `'dimensions' must be one of ${model.dimensions.join(', ')} for the model '${model.id}'.`,
    );
  if (user != null && (typeof user !== 'string' || user.length > USER_CHARS_MAX))
    throw invalidValue('user', `'user' must be a string of at most ${USER_CHARS_MAX} characters.`);
  return input;
};

/** Whether {@link toTexts} needs a vocabulary. */
export const hasTokenIds = (input: RawInput): boolean =>
  typeof input !== 'string' && typeof input[0] !== 'string';

/**
 * The request as stages take it: texts only.
 * @throws Fault 400 naming the input that is too long, or the token id that is none
 */
export const toTexts = (
  body: Record<string, unknown>,
  input: RawInput,
  model: CatalogModel,
  vocabulary: TokenTable | undefined,
): EmbeddingsRequest => {
  const texts = textsOf(input, vocabulary);
  const named = (index: number): string => (typeof texts === 'string' ? 'input' : `input[${index}]`);
  (typeof texts === 'string' ? [texts] : texts).forEach((text, index) =>
    checkLength(text, named(index), model),
  );
  return { ...body, model: model.id, input: texts };
};

const textsOf = (input: RawInput, vocabulary: TokenTable | undefined): string | readonly string[] => {
  if (vocabulary === undefined || !hasTokenIds(input)) return input as string | readonly string[];
  return typeof input[0] === 'number'
    ? decodeTokenIds(input as readonly number[], vocabulary, 'input')
    : (input as readonly (readonly number[])[]).map((ids, index) =>
        decodeTokenIds(ids, vocabulary, `input[${index}]`),
      );
};

const checkLength = (text: string, param: string, model: CatalogModel): void => {
  const tokens = estimateTokens(text);
  if (tokens * SURELY > model.contextTokens) throw tooLong(param, tokens, model);
};

const tooLong = (param: string, tokens: number, model: CatalogModel): Fault =>
  new Fault(
    'context_length_exceeded',
    `The model '${model.id}' takes at most ${model.contextTokens} tokens per input; '${param}' has about ${tokens}. Please shorten it.`,
    { param },
  );

const validateInput = (input: unknown, model: CatalogModel): RawInput => {
  if (input === undefined || input === null) throw missing('input');
  if (typeof input === 'string') {
    validateText(input, 'input');
    return input;
  }
  if (!Array.isArray(input) || input.length === 0)
    throw invalidValue('input', "'input' must be a string, or a non-empty array of strings or of token ids.");
  const [first] = input as readonly unknown[];
  checkCounts(typeof first === 'number' ? [input] : input, model, typeof first === 'number');
  if (typeof first === 'number') return validateIds(input, 'input');
  if (input.length > INPUTS_MAX) throw invalidValue('input', `'input' takes at most ${INPUTS_MAX} texts.`);
  const check = Array.isArray(first) ? validateIds : validateText;
  input.forEach((entry: unknown, index) => check(entry, `input[${index}]`));
  return input as readonly string[];
};

const validateText = (text: unknown, param: string): void => {
  if (typeof text !== 'string') throw invalidValue(param, `'${param}' must be a string.`);
  if (text === '') throw invalidValue(param, `'${param}' must not be empty.`);
  if (text.includes(NUL)) throw invalidValue(param, `'${param}' contains a NUL character.`);
};

/** Before any id is looked at. Another vocabulary may take more or fewer tokens, but not half of them. */
const checkCounts = (inputs: readonly unknown[], model: CatalogModel, single: boolean): void => {
  let total = 0;
  inputs.forEach((ids, index) => {
    if (!Array.isArray(ids)) return;
    total += ids.length;
    if (ids.length > model.contextTokens * 2)
      throw tooLong(single ? 'input' : `input[${index}]`, ids.length, model);
  });
  if (total > IDS_MAX)
    throw new Fault(
      'context_length_exceeded',
      `A request takes at most ${IDS_MAX} token ids; 'input' has ${total}. Please send several requests.`,
      { param: 'input' },
    );
};

const validateIds = (ids: unknown, param: string): readonly number[] => {
  if (!Array.isArray(ids)) throw invalidValue(param, `'${param}' must be an array of token ids.`);
  if (ids.length === 0) throw invalidValue(param, `'${param}' must not be empty.`);
  ids.forEach((id: unknown, index) => {
    if (!Number.isSafeInteger(id) || (id as number) < 0)
      throw invalidValue(`${param}[${index}]`, `'${param}[${index}]' must be a token id.`);
  });
  return ids as readonly number[];
};
