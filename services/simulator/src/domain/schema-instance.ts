import type { RandomSequence } from './random.js';
import { writeWords } from './words.js';

type Schema = Readonly<Record<string, unknown>>;

const DEPTH_MAX = 8;
const ITEMS_MAX = 16;

const FORMATS: Readonly<Record<string, string>> = {
  date: '2026-01-02',
  'date-time': '2026-01-02T03:04:05Z',
  time: '03:04:05Z',
  email: 'tuna@example.com',
  uri: 'https://example.com/tuna',
  uuid: '018f3b5e-7c1a-7000-8000-000000000000',
  ipv4: '192.0.2.1',
};

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const numberOr = (value: unknown, fallback: number): number => (typeof value === 'number' ? value : fallback);

/** Follows `#/a/b` inside the root schema; anything else is an empty schema. */
const resolve = (reference: unknown, root: Schema): Schema => {
  if (typeof reference !== 'string' || !reference.startsWith('#')) return {};
  let at: unknown = root;
  for (const step of reference.slice(1).split('/').filter(Boolean)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    at = isSchema(at) ? at[key] : Array.isArray(at) ? at[Number(key)] : undefined;
  }
  return isSchema(at) ? at : {};
};

const typeOf = (schema: Schema): string => {
  const type: unknown = Array.isArray(schema['type']) ? schema['type'][0] : schema['type'];
  if (typeof type === 'string') return type;
  if (isSchema(schema['properties'])) return 'object';
  return isSchema(schema['items']) ? 'array' : 'string';
};

const writeText = (schema: Schema, random: RandomSequence): string => {
  const format = FORMATS[String(schema['format'])];
  if (format !== undefined) return format;
  const text = writeWords(random, 3, 'english').join('');
  const padded = text.padEnd(Math.min(numberOr(schema['minLength'], 0), 10_000), 'a');
  return padded.slice(0, numberOr(schema['maxLength'], padded.length));
};

const writeNumber = (schema: Schema, random: RandomSequence, whole: boolean): number => {
  const step = numberOr(schema['multipleOf'], whole ? 1 : 0.5);
  const low = Math.max(
    numberOr(schema['minimum'], -Infinity),
    numberOr(schema['exclusiveMinimum'], -Infinity) + step,
  );
  const high = Math.min(
    numberOr(schema['maximum'], Infinity),
    numberOr(schema['exclusiveMaximum'], Infinity) - step,
  );
  if (low === -Infinity && high === Infinity) return random.below(100) * step;
  if (low === -Infinity) return Math.floor(high / step) * step;
  const first = Math.ceil(low / step) * step;
  return Math.min(first + random.below(10) * step, Math.max(first, Math.floor(high / step) * step));
};

class InstanceWriter {
  constructor(
    private readonly root: Schema,
    private readonly random: RandomSequence,
  ) {}

  write(schema: Schema, depth: number): unknown {
    if (depth > DEPTH_MAX) return null;
    if ('$ref' in schema) return this.write(resolve(schema['$ref'], this.root), depth + 1);
    if ('const' in schema) return schema['const'];
    if (Array.isArray(schema['enum']) && schema['enum'].length > 0)
      return schema['enum'][this.random.below(schema['enum'].length)];
    const choices: unknown = schema['anyOf'] ?? schema['oneOf'];
    if (Array.isArray(choices) && isSchema(choices[0])) return this.write(choices[0], depth + 1);
    if (Array.isArray(schema['allOf'])) return this.write(this.#merge(schema, schema['allOf']), depth + 1);
    return this.#writeType(typeOf(schema), schema, depth);
  }

  /** One schema that asks for what all of them ask for. */
  #merge(schema: Schema, parts: readonly unknown[]): Schema {
    const { allOf: _, ...rest } = schema;
    const all = [
      rest,
      ...parts.filter(isSchema).map((part) => ('$ref' in part ? resolve(part['$ref'], this.root) : part)),
    ];
    const properties = Object.assign({}, ...all.map((part) => part['properties'])) as Record<string, unknown>;
    const required = all.flatMap((part) => (Array.isArray(part['required']) ? part['required'] : []));
    return {
      ...Object.assign({}, ...all),
      ...(Object.keys(properties).length > 0 && { properties }),
      required,
    };
  }

  #writeType(type: string, schema: Schema, depth: number): unknown {
    switch (type) {
      case 'object':
        return this.#writeObject(schema, depth);
      case 'array':
        return this.#writeArray(schema, depth);
      case 'integer':
      case 'number':
        return writeNumber(schema, this.random, type === 'integer');
      case 'boolean':
        return this.random.below(2) === 1;
      case 'null':
        return null;
      default:
        return writeText(schema, this.random);
    }
  }

  #writeObject(schema: Schema, depth: number): Record<string, unknown> {
    const properties = isSchema(schema['properties']) ? schema['properties'] : {};
    const required: readonly unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
    const written: Record<string, unknown> = {};
    for (const [name, member] of Object.entries(properties)) {
      // Optional members stop early, so that a schema that refers to itself ends.
      if (!required.includes(name) && depth >= DEPTH_MAX / 2) continue;
      written[name] = this.write(isSchema(member) ? member : {}, depth + 1);
    }
    return written;
  }

  #writeArray(schema: Schema, depth: number): unknown[] {
    const least = Math.min(numberOr(schema['minItems'], depth >= DEPTH_MAX / 2 ? 0 : 1), ITEMS_MAX);
    const length = Math.min(
      Math.max(least, depth >= DEPTH_MAX / 2 ? 0 : 1),
      numberOr(schema['maxItems'], ITEMS_MAX),
    );
    const items = isSchema(schema['items']) ? schema['items'] : {};
    return Array.from({ length }, () => this.write(items, depth + 1));
  }
}

/**
 * A value that fits a JSON Schema as far as this goes: types, enums, constants, bounds, lengths, common formats,
 * required members, local references and the first of several alternatives. `pattern` and conditions are ignored.
 */
export const writeInstance = (schema: Schema, random: RandomSequence): unknown =>
  new InstanceWriter(schema, random).write(schema, 0);
