import { isUtf8 } from 'node:buffer';
import { Fault } from '@tunan/kernel';

/** Deepest nesting of a request body. Far above any real request, far below what breaks a serializer. */
export const JSON_DEPTH_MAX = 64;

const invalidJson = (message: string, cause?: unknown): Fault =>
  new Fault('invalid_json', message, { cause });

/**
 * Reads a request body as a JSON object.
 * @throws Fault `invalid_json` for bytes that are not UTF-8, text that is not JSON, or anything but an object
 */
export const parseJsonObject = (bytes: Buffer): Record<string, unknown> => {
  if (!isUtf8(bytes)) throw invalidJson('The request body is not valid UTF-8.');
  let value: unknown;
  try {
    // A byte order mark is allowed in UTF-8 and means nothing.
    const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    value = JSON.parse(bytes.toString('utf8', start));
  } catch (cause) {
    throw invalidJson(
      'We could not parse the JSON body of your request. Please check that it is complete JSON.',
      cause,
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidJson('The request body must be a JSON object.');
  if (isDeeperThan(value, JSON_DEPTH_MAX))
    throw invalidJson(`The request body is nested deeper than ${JSON_DEPTH_MAX} levels.`);
  return value as Record<string, unknown>;
};

/** Recursion stops at the limit, so its own depth is bounded. */
const isDeeperThan = (value: object, levels: number): boolean => {
  if (levels === 0) return true;
  for (const key in value) {
    const child = (value as Record<string, unknown>)[key];
    if (typeof child === 'object' && child !== null && isDeeperThan(child, levels - 1)) return true;
  }
  return false;
};
