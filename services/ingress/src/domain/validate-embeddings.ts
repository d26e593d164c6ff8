import type { CatalogModel, EmbeddingsRequest } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { invalidValue, missing } from './parameter-faults.js';

const INPUTS_MAX = 2_048;
const ENCODINGS = ['float', 'base64'];

/**
 * Checks an embeddings request, except `model`. Nothing is coerced or changed.
 * @throws Fault 400 with `param` set
 */
export const validateEmbeddings = (body: Record<string, unknown>): EmbeddingsRequest => {
  validateInput(body['input']);
  const encoding = body['encoding_format'];
  if (encoding != null && !ENCODINGS.includes(encoding as string))
    throw invalidValue('encoding_format', `'encoding_format' must be one of ${ENCODINGS.join(', ')}.`);
  return body as unknown as EmbeddingsRequest;
};

/** The dimensions that a client asked for must be ones that the model has. */
export const checkDimensions = (body: EmbeddingsRequest, model: CatalogModel): void => {
  const { dimensions } = body;
  if (dimensions == null || model.dimensions.includes(dimensions)) return;
  const message = `'dimensions' must be one of ${model.dimensions.join(', ')} for the model '${model.id}'.`;
  throw invalidValue('dimensions', message);
};

const validateInput = (input: unknown): void => {
  if (input === undefined || input === null) throw missing('input');
  if (typeof input === 'string') return validateText(input, 'input');
  if (!Array.isArray(input) || input.length === 0)
    throw invalidValue('input', "'input' must be a string or a non-empty array of strings.");
  if (input.length > INPUTS_MAX) throw invalidValue('input', `'input' takes at most ${INPUTS_MAX} texts.`);
  input.forEach((text: unknown, index) => validateText(text, `input[${index}]`));
};

const validateText = (text: unknown, param: string): void => {
  if (typeof text === 'number' || Array.isArray(text))
    throw new Fault('unsupported_parameter', 'Token ids are not supported as input; send texts.', { param });
  if (typeof text !== 'string') throw invalidValue(param, `'${param}' must be a string.`);
  if (text === '') throw invalidValue(param, `'${param}' must not be empty.`);
};
