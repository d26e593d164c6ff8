import { hashText, RandomSequence } from './random.js';

/** A unit vector that depends only on model, text and length, to eight decimals. */
export const embed = (model: string, text: string, dimensions: number): number[] => {
  const random = new RandomSequence(hashText(text, hashText(model)));
  const raw = Array.from({ length: dimensions }, () => random.unit() - 0.5);
  const length = Math.hypot(...raw) || 1;
  return raw.map((value) => Number((value / length).toFixed(8)));
};
