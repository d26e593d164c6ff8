/** Within one schema without names, a dynamic reference is a plain one. */
const PLAIN: Readonly<Record<string, string>> = {
  $dynamicRef: '$ref',
  $recursiveRef: '$ref',
  $dynamicAnchor: '$anchor',
};
/**
 * Names of a schema to the world, by which nothing is ever looked up; formats, which are notes; keywords of older drafts;
 * and what the validator writes into schemas for itself.
 */
const LEFT_OUT = new Set([
  '$schema',
  '$id',
  'id',
  '$vocabulary',
  '$recursiveAnchor',
  'format',
  'dependencies',
  'additionalItems',
  '__absolute_uri__',
  '__absolute_ref__',
  '__absolute_recursive_ref__',
]);
/** Keywords whose value is data. */
const DATA = new Set(['const', 'default', 'enum', 'examples']);
/** Keywords whose value has a schema for each name of the author's. */
export const SCHEMAS_BY_NAME = new Set([
  '$defs',
  'definitions',
  'dependentSchemas',
  'patternProperties',
  'properties',
]);

/**
 * A copy of a schema without its names and in the words of draft 2020-12 alone. Recursion is bounded by the depth of the
 * JSON.
 */
export const plainSchema = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(plainSchema);
  if (typeof schema !== 'object' || schema === null) return schema;
  const members: [string, unknown][] = [];
  for (const [keyword, value] of Object.entries(schema)) {
    if (LEFT_OUT.has(keyword)) continue;
    members.push([PLAIN[keyword] ?? keyword, plainMember(keyword, value)]);
  }
  return Object.fromEntries(members);
};

const plainMember = (keyword: string, value: unknown): unknown => {
  if (DATA.has(keyword)) return value;
  if (!SCHEMAS_BY_NAME.has(keyword) || typeof value !== 'object' || value === null || Array.isArray(value))
    return plainSchema(value);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plainSchema(inner)]));
};
