import { CommandError, UsageError } from './errors.js';
import type { OperatorClient } from './operator-client.js';

/** Values of a command's options, by name without dashes. */
export type Values = Readonly<Record<string, string | undefined>>;

/** What a command has to say. */
export interface Output {
  /** Printed with `--json`, on one line. */
  readonly json: unknown;
  /** Printed without it. */
  readonly text: string;
  /** Printed on standard error either way. */
  readonly warning?: string;
}

/** One option. */
export interface Option {
  /** Placeholder of the value in the help; null: a flag, which takes none and is `yes` if it is given. */
  readonly value: string | null;
  readonly help: string;
  readonly required?: boolean;
}

/** One command of the CLI. */
export interface Command {
  /** Two words: noun and verb. */
  readonly name: string;
  readonly help: string;
  readonly options: Readonly<Record<string, Option>>;
  run(client: OperatorClient, values: Values): Promise<Output>;
}

/** The value of a required option. */
export const required = (values: Values, name: string): string => {
  const value = values[name];
  if (value === undefined) throw new UsageError(`--${name} is required.`);
  return value;
};

/**
 * A whole number, or undefined if the option was not given. Bounds are the platform's to check.
 * @throws CommandError
 */
export const wholeNumber = (values: Values, name: string): number | undefined => {
  const value = values[name];
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw new CommandError(`--${name} must be a whole number, not "${value}".`);
  return Number(value);
};

/**
 * A switch, or undefined if the option was not given.
 * @throws CommandError
 */
export const onOrOff = (values: Values, name: string): boolean | undefined => {
  const value = values[name];
  if (value === undefined) return undefined;
  if (value !== 'on' && value !== 'off')
    throw new CommandError(`--${name} must be on or off, not "${value}".`);
  return value === 'on';
};

/** Part of a path: an id that may contain anything a person typed. */
export const segment = (id: string): string => encodeURIComponent(id);
