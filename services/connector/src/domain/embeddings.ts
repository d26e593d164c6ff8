import type { EmbeddingsRequest, ReportedUsage } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';
import { millitokensOf, readUsage } from '@tunan/llm';
import { readAnswerJson } from './decode-answer.js';
import type { Dialect, EmbeddingsDialect } from './dialect.js';
import { providerFault } from './vendor-error.js';

type Json = Readonly<Record<string, unknown>>;

/** Vectors of one call, in the order of its inputs. */
export interface DecodedEmbeddings {
  readonly vectors: readonly (readonly number[])[];
  /** Without output. Null if the provider reported none. */
  readonly usage: ReportedUsage | null;
  /** The usage object as it came if it cannot be true, else undefined. */
  readonly impossibleUsage: unknown;
}

/** Consecutive inputs of a request. */
export interface InputBatch {
  /** Index of the first. */
  readonly first: number;
  readonly inputs: readonly string[];
}

/** Inputs of a request in batches that the provider takes. */
export const inputBatches = (request: EmbeddingsRequest, batchMax: number): readonly InputBatch[] => {
  const inputs = typeof request.input === 'string' ? [request.input] : request.input;
  const batches: InputBatch[] = [];
  for (let first = 0; first < inputs.length; first += batchMax)
    batches.push({ first, inputs: inputs.slice(first, first + batchMax) });
  return batches;
};

/**
 * The fault of one batch as one of its request: a provider that finds an input too long does not say which. In a batch of
 * several the longest is named.
 * @returns the same fault if it is about anything else
 */
export const batchFault = (
  fault: Fault,
  { input }: EmbeddingsRequest,
  { first, inputs }: InputBatch,
): Fault => {
  if (fault.code !== 'context_length_exceeded') return fault;
  const tokens = inputs.map(millitokensOf);
  const longest = first + tokens.indexOf(Math.max(...tokens));
  const param = typeof input === 'string' ? 'input' : `input[${longest}]`;
  return new Fault(fault.code, `'${param}' is longer than the model accepts.`, {
    internal: fault.message,
    cause: fault,
    param,
  });
};

/** Body of the call for one batch. Vectors are always asked for as numbers: no provider documents another format. */
export const encodeEmbeddingsCall = (
  dialect: EmbeddingsDialect,
  upstreamModel: string,
  input: readonly string[],
  dimensions: number | undefined,
): string =>
  JSON.stringify({
    model: upstreamModel,
    input,
    ...(dimensions === undefined ? {} : { dimensions }),
    ...dialect.extra,
  });

/**
 * Reads the vectors of one batch, put into the order of its inputs.
 * @throws Fault if any is missing
 */
export const decodeEmbeddings = (dialect: Dialect, body: Buffer, inputs: number): DecodedEmbeddings => {
  const { json } = readAnswerJson(dialect, body);
  const data: unknown = json['data'];
  if (!Array.isArray(data) || data.length !== inputs)
    throw providerFault('upstream_error', `${dialect.id}: vectors are missing`);
  const vectors = new Array<readonly number[]>(inputs);
  data.forEach((entry: Json | null, position) => {
    const vector = entry?.['embedding'];
    const index = entry?.['index'] ?? position;
    if (
      !isVector(vector) ||
      !Number.isInteger(index) ||
      (index as number) < 0 ||
      (index as number) >= inputs ||
      vectors[index as number] !== undefined
    )
      throw providerFault('upstream_error', `${dialect.id}: vector ${position} can't be read`);
    vectors[index as number] = vector;
  });
  const usage = readUsage(json['usage']);
  return {
    vectors,
    usage: usage === null ? null : { ...usage, cachedPrompt: 0, completion: 0, reasoning: 0 },
    impossibleUsage: usage?.impossible === true ? json['usage'] : undefined,
  };
};

const isVector = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length > 0 && value.every((entry) => typeof entry === 'number');
