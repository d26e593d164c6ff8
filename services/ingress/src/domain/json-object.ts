import { isUtf8 } from 'node:buffer';
import { Fault, shownName } from '@tunan/kernel';
import { measureJson } from './json-measure.js';

const NUL = '\u0000';

const invalidJson = (message: string, cause?: unknown): Fault =>
  new Fault('invalid_json', message, { cause });

/**
 * Reads a request body as a JSON object that means the same to every parser: valid UTF-8, within the bounds of
 * {@link measureJson}, no member twice, no `__proto__`, no NUL character.
 * @param valuesMax most items and members, if not as many as usual
 * @throws Fault 400 `invalid_json`; `invalid_value` with `param` for a NUL
 */
export const parseJsonObject = (bytes: Buffer, valuesMax?: number): Record<string, unknown> => {
  if (!isUtf8(bytes)) throw invalidJson('The request body is not valid UTF-8.');
  // A byte order mark is allowed in UTF-8 and means nothing.
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const text = bytes.toString('utf8', start);
  const { members } = measureJson(text, valuesMax);
  const value = parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidJson('The request body must be a JSON object.');
  const found: Found = { members: 0, nul: false };
  visit(value, found);
  // Fewer members than were written means that one hid another.
  if (found.members !== members)
    throw invalidJson('The request body has an object with the same member twice.');
  if (found.nul) refuseNul(value, '');
  return value as Record<string, unknown>;
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalidJson(
      'We could not parse the JSON body of your request. Please check that it is complete JSON.',
      cause,
    );
  }
};

/** What the objects of a value contain, all together. */
interface Found {
  members: number;
  nul: boolean;
}

/** Recursion is bounded by the depth that was measured before. */
const visit = (value: unknown, found: Found): void => {
  if (typeof value === 'string') {
    if (value.includes(NUL)) found.nul = true;
  } else if (Array.isArray(value)) {
    // Most long arrays are of numbers.
    for (const item of value) if (typeof item !== 'number') visit(item, found);
  } else if (typeof value === 'object' && value !== null) {
    for (const key in value) {
      const child = (value as Record<string, unknown>)[key];
      if (key === '__proto__' || (key === 'constructor' && isPrototypeHolder(child))) throw prototypeMember();
      if (key.includes(NUL)) found.nul = true;
      found.members += 1;
      visit(child, found);
    }
  }
};

const isPrototypeHolder = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype');

/** No API has such members; code that copies objects carelessly would change what all objects have. */
const prototypeMember = (): Fault =>
  invalidJson("The request body has a member '__proto__' or 'constructor.prototype'.");

/** A NUL can't be stored by the ledger's database, and no model has a use for it. */
const refuseNul = (value: unknown, path: string): void => {
  if (typeof value === 'string') {
    if (value.includes(NUL))
      throw new Fault('invalid_value', `'${shownName(path)}' contains a NUL character.`, { param: path });
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => refuseNul(item, `${path}[${index}]`));
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, child] of Object.entries(value)) {
      if (key.includes(NUL)) throw invalidJson('The name of a member contains a NUL character.');
      refuseNul(child, path === '' ? shownName(key) : `${path}.${shownName(key)}`);
    }
  }
};
