import { z } from 'zod';
import { Secret } from './secret.js';

/** Settings of one part of the platform: environment variable name → schema. Every field has a default or is optional. */
export interface ConfigSchema<Shape extends z.ZodRawShape = z.ZodRawShape> {
  readonly shape: Shape;
}

/** The typed, frozen settings of a schema. */
export type ConfigOf<Schema extends ConfigSchema> = Readonly<z.output<z.ZodObject<Schema['shape']>>>;

/** Declares the environment variables that a part reads. */
export const configSchema = <Shape extends z.ZodRawShape>(shape: Shape): ConfigSchema<Shape> => ({ shape });

/** Settings that do not fit their schema: every problem, one line each. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
  }
}

/** A variable that holds a secret: printed as `[redacted]`, read with `reveal()`. */
export const secret = () =>
  z
    .string()
    .min(1)
    .transform((value) => new Secret(value));

/** A secret that travels in a header: a line break or a blank in it would break every call, so it is refused here. */
export const credential = () =>
  z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without blanks')
    .transform((value) => new Secret(value));

/** A whole number within bounds, given as text. */
export const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));

/** `true` or `false`. */
export const flag = () => z.enum(['true', 'false']).transform((value) => value === 'true');

/**
 * Reads settings from variables. Empty variables count as unset. All problems are reported at once.
 * @throws ConfigError naming every variable at fault
 */
export const readConfig = <Schema extends ConfigSchema>(
  schema: Schema,
  variables: Readonly<Record<string, string | undefined>>,
): ConfigOf<Schema> => {
  const given: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = variables[name];
    if (value !== undefined && value !== '') given[name] = value;
  }
  const result = z.object(schema.shape).safeParse(given);
  if (!result.success)
    throw new ConfigError(result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
  return Object.freeze(result.data) as ConfigOf<Schema>;
};
