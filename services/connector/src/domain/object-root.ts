import { fragmentOf, schemaAt } from '@tunan/llm';

type Schema = Readonly<Record<string, unknown>>;

/** References that are followed; a root behind more of them is taken for anything. */
const STEPS_MAX = 16;

/**
 * False if no object fits a JSON Schema, by what its root says: JSON modes write objects only. What it does not see
 * through (conditions, references that lead nowhere) it takes for an object.
 */
export const canBeObject = (schema: unknown): boolean => rootCanBeObject(schema, schema, STEPS_MAX);

const rootCanBeObject = (schema: unknown, root: unknown, steps: number): boolean => {
  if (!isObject(schema) || steps === 0) return schema !== false;
  const { type, enum: values, anyOf, oneOf, allOf, $ref } = schema;
  const can = (one: unknown): boolean => rootCanBeObject(one, root, steps - 1);
  if (typeof type === 'string' && type !== 'object') return false;
  if (Array.isArray(type) && !type.includes('object')) return false;
  if ('const' in schema && !isObject(schema['const'])) return false;
  if (Array.isArray(values) && !values.some(isObject)) return false;
  if (Array.isArray(anyOf) && !anyOf.some(can)) return false;
  if (Array.isArray(oneOf) && !oneOf.some(can)) return false;
  if (Array.isArray(allOf) && !allOf.every(can)) return false;
  return typeof $ref !== 'string' || can(referred($ref, root));
};

const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What is at a local reference; undefined if there is nothing, or it is by a name and not by its place. */
const referred = (reference: string, root: unknown): unknown => {
  const fragment = fragmentOf(reference);
  return fragment === undefined ? undefined : schemaAt(root, fragment);
};
