import { describe, expect, it } from '@jest/globals';
import { usageEvent } from '@tunan/contracts';
import fc from 'fast-check';
import { z } from 'zod';
import { usageEventOf } from '../testing/usage-events.js';
import { findInvalidMember } from './check-usage-event.js';

const plain = usageEventOf({ accountId: 'acc_1' });
const valid = {
  ...plain,
  data: { ...plain.data, means: { hold: 100n, reach: null } },
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
};

/** Every member of an object and of the objects in it, as paths. */
const pathsOf = (value: object, prefix: readonly string[] = []): string[][] =>
  Object.entries(value).flatMap(([name, member]: [string, unknown]) => [
    [...prefix, name],
    ...(typeof member === 'object' && member !== null && !Array.isArray(member)
      ? pathsOf(member, [...prefix, name])
      : []),
  ]);

const withMember = (
  path: readonly string[],
  change: (parent: Record<string, unknown>, name: string) => void,
): unknown => {
  const copy = structuredClone(valid) as unknown as Record<string, unknown>;
  const parent = path.slice(0, -1).reduce((object, name) => object[name] as Record<string, unknown>, copy);
  change(parent, path.at(-1)!);
  return copy;
};

const oddValue = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    true,
    '',
    0,
    1,
    -1,
    0.5,
    NaN,
    Infinity,
    2 ** 53,
    '1',
    [],
    {},
    ['x'],
    [1],
    1n,
    -1n,
  ),
  fc.constantFrom<unknown>(
    'final',
    'lost',
    'completed',
    'embeddings',
    '1.0',
    'x'.repeat(32),
    'x'.repeat(33),
    ['x'.repeat(33)],
  ),
  fc.constantFrom<unknown>(
    'x'.repeat(64),
    'x'.repeat(65),
    'x'.repeat(128),
    'x'.repeat(129),
    10n ** 30n,
    -(10n ** 30n),
    10n ** 30n - 1n,
  ),
);

describe('findInvalidMember', () => {
  it('finds nothing in a usage event', () => {
    expect(findInvalidMember(valid)).toBeUndefined();
    expect(findInvalidMember({ ...valid, traceparent: undefined })).toBeUndefined();
    expect(findInvalidMember(plain)).toBeUndefined();
    expect(findInvalidMember({ ...valid, unknown: 1 })).toBeUndefined();
  });

  it('names the member', () => {
    expect(findInvalidMember(withMember(['data', 'usage'], (data) => (data['usage'] = {})))).toBe(
      'data.usage',
    );
    expect(findInvalidMember(withMember(['subject'], (event) => (event['subject'] = '')))).toBe('subject');
    expect(findInvalidMember(null)).toBe('event');
  });

  // Guarantee: this check and the contract's schema are one. A member that is added to the contract fails here first.
  it('agrees with the contract on any event with one member changed or gone', () => {
    const agree = (event: unknown): void => {
      const fits = z.safeEncode(usageEvent, event as z.output<typeof usageEvent>).success;
      expect({ event, fits: findInvalidMember(event) === undefined }).toEqual({ event, fits });
    };
    for (const path of pathsOf(valid)) agree(withMember(path, (parent, name) => delete parent[name]));
    fc.assert(
      fc.property(fc.constantFrom(...pathsOf(valid)), oddValue, (path, value) =>
        agree(withMember(path, (parent, name) => (parent[name] = value))),
      ),
      { numRuns: 5_000 },
    );
  });
});
