import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { plainSchema, SCHEMAS_BY_NAME } from './plain-schema.js';
import { fragmentOf, schemaAt } from './schema-reference.js';

/** Largest schema that is accepted, in bytes of JSON. */
export const SCHEMA_BYTES_MAX = 100 * 1024;
/** Deepest nesting of schemas within a schema. */
export const SCHEMA_DEPTH_MAX = 10;
/** Most schemas within a schema, itself included: what is accepted takes some milliseconds to check, not a hundred. */
export const SUBSCHEMAS_MAX = 5_000;

/** A schema that can't be used; the message says why, for whoever sent it. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

type Json = Readonly<Record<string, unknown>>;

/** Keywords whose value is a schema or a list of schemas. */
const SCHEMA_KEYWORDS = new Set([
  'additionalProperties',
  'allOf',
  'anyOf',
  'contains',
  'else',
  'if',
  'items',
  'not',
  'oneOf',
  'prefixItems',
  'propertyNames',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties',
]);
const REFERENCES = ['$ref', '$dynamicRef', '$recursiveRef'];
const ANCHORS = ['$anchor', '$dynamicAnchor'];
const REFERENCE_CHARS_MAX = 1_024;
const PATTERN_CHARS_MAX = 4_096;

const META_SCHEMA = 'https://json-schema.org/draft/2020-12/schema';
const CHECKED_MAX = 64;

/** What was found of schemas, by their JSON, the one used last at the end: the same few come with every request. */
const checked = new Map<string, SchemaError | undefined>();
/** Made with the first schema: most processes never meet one. */
let metaSchema: ValidateFunction | undefined;

/**
 * Checks that a value can be used as a JSON schema (draft 2020-12). Nothing is compiled of it: the time is proportional
 * to its size, and bounded by the limits above.
 * @throws SchemaError if it is larger, deeper or of more parts than these, refers to anything outside itself or to
 * nothing, or is no schema
 */
export const checkSchema = (schema: Json): void => {
  const text = JSON.stringify(schema);
  if (text.length > SCHEMA_BYTES_MAX || Buffer.byteLength(text) > SCHEMA_BYTES_MAX)
    throw new SchemaError(
      `The schema has ${Buffer.byteLength(text)} bytes; at most ${SCHEMA_BYTES_MAX} are accepted.`,
    );
  const known = checked.has(text);
  const error = known ? checked.get(text) : errorOf(schema);
  if (known) checked.delete(text);
  else if (checked.size >= CHECKED_MAX) checked.delete(checked.keys().next().value!);
  checked.set(text, error);
  if (error !== undefined) throw error;
};

const errorOf = (schema: Json): SchemaError | undefined => {
  try {
    new Inspection(schema);
    const judge = (metaSchema ??= newMetaSchema());
    if (judge(plainSchema(schema))) return undefined;
    const [error] = judge.errors!;
    return new SchemaError(`The schema is not valid: ${error!.instancePath || 'it'} ${error!.message}.`);
  } catch (error) {
    if (error instanceof SchemaError) return error;
    throw error;
  }
};

const newMetaSchema = (): ValidateFunction =>
  new Ajv2020({ strict: false, validateFormats: false, logger: false }).getSchema(META_SCHEMA)!;

/** What the meta-schema does not say. Recursion is bounded by the depth that is checked. */
class Inspection {
  #subschemas = 0;
  readonly #anchors = new Set<string>();
  readonly #references = new Set<string>();

  constructor(private readonly root: Json) {
    this.#visit(root, 1);
    for (const reference of this.#references) this.#resolve(reference);
  }

  #visit(schema: unknown, depth: number): void {
    if (typeof schema !== 'object' || schema === null) return;
    if (depth > SCHEMA_DEPTH_MAX)
      throw new SchemaError(`The schema is nested deeper than ${SCHEMA_DEPTH_MAX} levels.`);
    this.#subschemas += 1;
    if (this.#subschemas > SUBSCHEMAS_MAX)
      throw new SchemaError(`The schema has more than ${SUBSCHEMAS_MAX} schemas within it.`);
    const { pattern, patternProperties } = schema as Json;
    if (typeof pattern === 'string') checkPattern(pattern);
    if (isObject(patternProperties)) Object.keys(patternProperties).forEach(checkPattern);
    this.#note(schema as Json);
    for (const [keyword, value] of Object.entries(schema)) {
      if (typeof value !== 'object' || value === null) continue;
      const byName = SCHEMAS_BY_NAME.has(keyword);
      if (!byName && !SCHEMA_KEYWORDS.has(keyword)) continue;
      const inner = byName || Array.isArray(value) ? Object.values(value) : [value];
      for (const one of inner) this.#visit(one, depth + 1);
    }
  }

  #note(schema: Json): void {
    for (const keyword of REFERENCES) {
      const reference = schema[keyword];
      if (reference === undefined) continue;
      if (typeof reference !== 'string' || !reference.startsWith('#'))
        throw new SchemaError("References must be local ('#/…'); nothing outside the schema is looked up.");
      if (reference.length > REFERENCE_CHARS_MAX)
        throw new SchemaError(`A reference has more than ${REFERENCE_CHARS_MAX} characters.`);
      this.#references.add(reference);
    }
    for (const keyword of ANCHORS)
      if (typeof schema[keyword] === 'string') this.#anchors.add(schema[keyword]);
  }

  #resolve(reference: string): void {
    const fragment = fragmentOf(reference);
    if (fragment === undefined)
      throw new SchemaError(`The schema is not valid: '${reference}' is no reference.`);
    if (this.#anchors.has(fragment)) return;
    const target = schemaAt(this.root, fragment);
    if (!isObject(target) && typeof target !== 'boolean')
      throw new SchemaError(`The schema is not valid: can't resolve the reference '${reference}'.`);
  }
}

/** Only how it is written: how long it may run is bounded where it runs. */
const checkPattern = (pattern: string): void => {
  if (pattern.length > PATTERN_CHARS_MAX)
    throw new SchemaError(`A pattern has more than ${PATTERN_CHARS_MAX} characters.`);
  try {
    new RegExp(pattern, 'u');
  } catch (cause) {
    throw new SchemaError(`The schema is not valid: ${(cause as Error).message}.`, { cause });
  }
};

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
