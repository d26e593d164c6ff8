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

/** The schema at a local reference (`#/$defs/a`); undefined if there is none. */
const referred = ($ref: string, root: unknown): unknown => {
  if (!$ref.startsWith('#')) return undefined;
  let at: unknown = root;
  for (const step of $ref.slice(1).split('/').filter(Boolean)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    at = typeof at === 'object' && at !== null ? (at as Schema)[key] : undefined;
  }
  return at;
};
