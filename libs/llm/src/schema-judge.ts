import { createContext, Script, type Context } from 'node:vm';
import { Validator, type OutputUnit, type Schema } from '@cfworker/json-schema';
import { plainSchema } from './plain-schema.js';

/** The longest that one text is judged. */
export const JUDGE_MS_MAX = 250;
const VALIDATORS_MAX = 64;
const PROBLEM_CHARS_MAX = 500;

/** By the JSON of their schemas, the one used last at the end. */
const validators = new Map<string, Validator>();
/** Made with the first use: most threads never need it. */
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
 * What is wrong with a text that should be JSON by a schema (draft 2020-12, itself as JSON), in one line; undefined if it
 * fits, or can't be judged in {@link JUDGE_MS_MAX}: a schema's patterns run on texts that its author may choose as well,
 * and a regular expression can take for ever. Formats are notes and not checked; unknown keywords say nothing.
 *
 * It stops its thread for as long as it takes: where others wait for the thread, it belongs on another.
 */
export const problemOf = (schema: string, text: string): string | undefined => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  try {
    const { errors } = withinTime(JUDGE_MS_MAX, () => validatorOf(schema).validate(value));
    return errors.length === 0 ? undefined : describe(errors);
  } catch {
    // What can't be judged, for time or for a schema that goes in circles, is not shown to be wrong.
    return undefined;
  }
};

/** Keywords with several schemas, of which none alone is to blame. */
const ALTERNATIVES = new Set(['anyOf', 'oneOf']);

/** An error stands before those within it, which say more. */
const describe = (errors: readonly OutputUnit[]): string => {
  let at = 0;
  while (
    !ALTERNATIVES.has(errors[at]!.keyword) &&
    errors[at + 1]?.keywordLocation.startsWith(errors[at]!.keywordLocation) === true
  )
    at += 1;
  const { instanceLocation, error } = errors[at]!;
  return `${instanceLocation.slice(1) || 'the value'}: ${error}`.slice(0, PROBLEM_CHARS_MAX);
};

/** Interpreted, not compiled: what a schema costs is proportional to its size. */
const validatorOf = (schema: string): Validator => {
  const validator =
    validators.get(schema) ?? new Validator(plainSchema(JSON.parse(schema)) as Schema, '2020-12');
  validators.delete(schema);
  validators.set(schema, validator);
  if (validators.size > VALIDATORS_MAX) validators.delete(validators.keys().next().value!);
  return validator;
};
