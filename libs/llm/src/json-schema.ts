import { createContext, Script, type Context } from 'node:vm';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

/** Largest schema that is accepted, in bytes of JSON. */
export const SCHEMA_BYTES_MAX = 100 * 1024;
/** Deepest nesting of schemas within a schema. */
export const SCHEMA_DEPTH_MAX = 10;

/** A schema that can't be used; the message says why, for whoever sent it. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

/** A schema that is ready to judge values. */
export interface CompiledSchema {
  /** What is wrong with a value, in one line; undefined if it fits, or can't be judged in a quarter of a second. */
  problemOf(value: unknown): string | undefined;
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
/** Keywords whose value has a schema per name. */
const SCHEMA_MAP_KEYWORDS = new Set([
  '$defs',
  'definitions',
  'dependentSchemas',
  'patternProperties',
  'properties',
]);
const REFERENCES = new Set(['$ref', '$dynamicRef', '$recursiveRef']);
/** Members that name a schema to the world: nothing outside the request is ever looked up by them. */
const NAMES = new Set(['$schema', '$id', 'id']);

/**
 * A schema's patterns run on texts that its author may choose as well, and a regular expression can take for ever. So
 * compiling and judging have time limits, which the engine keeps even inside a regular expression.
 */
const COMPILE_MS_MAX = 2_000;
const JUDGE_MS_MAX = 250;
const COMPILED_MAX = 64;

/** Schemas by their JSON, the one used last at the end: the same few come with every request of a client. */
const compiled = new Map<string, CompiledSchema>();
/** Made with the first schema: most processes never meet one. */
let timed:
  { readonly script: Script; readonly context: Context; readonly slot: { run?: () => unknown } } | undefined;

/** Runs `work` for at most `timeout` milliseconds. @throws Error with code `ERR_SCRIPT_EXECUTION_TIMEOUT` */
const withinTime = <Result>(timeout: number, work: () => Result): Result => {
  if (timed === undefined) {
    const slot: { run?: () => unknown } = {};
    timed = { script: new Script('slot.run()'), context: createContext({ slot }), slot };
  }
  timed.slot.run = work;
  try {
    return timed.script.runInContext(timed.context, { timeout }) as Result;
  } finally {
    delete timed.slot.run;
  }
};

/**
 * Makes a JSON schema (draft 2020-12) ready. Formats are annotations and not checked; unknown keywords say nothing.
 * @throws SchemaError if it is larger than {@link SCHEMA_BYTES_MAX}, nested deeper than {@link SCHEMA_DEPTH_MAX}, refers
 * to anything outside itself, or is no schema
 */
export const compileSchema = (schema: Json): CompiledSchema => {
  const text = JSON.stringify(schema);
  const known = compiled.get(text);
  if (known !== undefined) {
    compiled.delete(text);
    compiled.set(text, known);
    return known;
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > SCHEMA_BYTES_MAX)
    throw new SchemaError(`The schema has ${bytes} bytes; at most ${SCHEMA_BYTES_MAX} are accepted.`);
  const fresh = new Compiled(compile(anonymous(schema, 1) as Json));
  compiled.set(text, fresh);
  if (compiled.size > COMPILED_MAX) compiled.delete(compiled.keys().next().value!);
  return fresh;
};

/** Made with the first schema, and keeps none. */
let ajv: Ajv2020 | undefined;

/** With its own meta-schemas, which take longer to compile than most schemas, and which no client's schema pays for. */
const newAjv = (): Ajv2020 => {
  const made = new Ajv2020({ strict: false, validateFormats: false, addUsedSchema: false, logger: false });
  made.validateSchema({});
  return made;
};

const compile = (schema: Json): ValidateFunction => {
  const compiler = (ajv ??= newAjv());
  try {
    return withinTime(COMPILE_MS_MAX, () => {
      try {
        return compiler.compile(schema);
      } finally {
        compiler.removeSchema(schema);
      }
    });
  } catch (cause) {
    // The engine stops it anywhere and runs no `finally`: what it had begun would be taken for done.
    if (isTimeout(cause)) ajv = undefined;
    const why = isTimeout(cause)
      ? 'it takes too long to read'
      : cause instanceof Error
        ? cause.message
        : String(cause);
    throw new SchemaError(`The schema is not valid: ${why}.`, { cause });
  }
};

class Compiled implements CompiledSchema {
  constructor(private readonly validate: ValidateFunction) {}

  problemOf(value: unknown): string | undefined {
    try {
      if (withinTime(JUDGE_MS_MAX, () => this.validate(value))) return undefined;
      const [error] = this.validate.errors ?? [];
      return `${error?.instancePath || 'the value'} ${error?.message ?? 'does not fit'}`;
    } catch (error) {
      // What can't be judged in time is not shown to be wrong.
      if (isTimeout(error)) return undefined;
      throw error;
    }
  }
}

/**
 * A copy without names, which would bind the schema to a draft or to an address. Checks nesting and references on the
 * way; its own recursion is bounded by the depth it checks.
 */
const anonymous = (schema: unknown, depth: number): unknown => {
  if (Array.isArray(schema)) return schema.map((entry) => anonymous(entry, depth));
  if (typeof schema !== 'object' || schema === null) return schema;
  if (depth > SCHEMA_DEPTH_MAX)
    throw new SchemaError(`The schema is nested deeper than ${SCHEMA_DEPTH_MAX} levels.`);
  const copy: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (NAMES.has(keyword) && typeof value === 'string') continue;
    if (REFERENCES.has(keyword)) checkReference(value);
    copy[keyword] = anonymousMember(keyword, value, depth);
  }
  return copy;
};

const anonymousMember = (keyword: string, value: unknown, depth: number): unknown => {
  if (SCHEMA_KEYWORDS.has(keyword)) return anonymous(value, depth + 1);
  if (!SCHEMA_MAP_KEYWORDS.has(keyword) || typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, anonymous(inner, depth + 1)]),
  );
};

const checkReference = (reference: unknown): void => {
  if (typeof reference === 'string' && reference.startsWith('#')) return;
  throw new SchemaError("References must be local ('#/…'); nothing outside the schema is looked up.");
};

const isTimeout = (error: unknown): boolean =>
  (error as { readonly code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
