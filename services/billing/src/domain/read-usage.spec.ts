import { describe, expect, it } from '@jest/globals';
import { usageEvent } from '@tunan/contracts';
import { usageEventOf } from '../testing/usage-events.js';
import { AMOUNT_MAX } from './apply-posting.js';
import { isDeadLetter, readUsage } from './read-usage.js';

const valid = usageEventOf({ accountId: 'acc_1', requestId: 'r1', cost: 123n });

describe('readUsage', () => {
  it('takes the facts and keeps the whole event in its wire form', () => {
    const record = readUsage(valid);
    if (isDeadLetter(record)) throw new Error(record.detail);
    expect(record.usage).toEqual({
      eventId: 'r1:final',
      requestId: 'r1',
      model: 'deepseek-chat',
      day: '2026-01-01',
      accountId: 'acc_1',
      keyId: 'key_1',
      kind: 'final',
      cost: 123n,
      completed: true,
    });
    expect(usageEvent.parse(JSON.parse(record.json))).toEqual(valid);
  });

  it('accepts any text that can be stored', () => {
    const odd = { ...valid, data: { ...valid.data, upstreamModel: 'a\u0001"\\u0000 中\u{1f600}' } };
    expect(isDeadLetter(readUsage(odd))).toBe(false);
  });

  const withData = (data: object): unknown => ({ ...valid, data: { ...valid.data, ...data } });

  // Guarantee: whatever arrives, it is an event or a dead letter; nothing throws, nothing poisons the batch.
  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'event'],
    ['an empty object', {}],
    ['a cost that is no bigint', withData({ cost: 12 })],
    ['a cost in wire form', withData({ cost: '12' })],
    ['a negative cost', withData({ cost: -1n })],
    ['a cost beyond reason', withData({ cost: AMOUNT_MAX + 1n })],
    [
      'a fraction of a token',
      withData({ usage: { prompt: 0.5, cachedPrompt: 0, completion: 0, reasoning: 0 } }),
    ],
    ['an unknown kind', withData({ kind: 'maybe' })],
    ['an id of another request', { ...valid, id: 'r2:final' }],
    ['an id of the other kind', { ...valid, id: 'r1:lost' }],
    ['a subject that is not the account', { ...valid, subject: 'acc_2' }],
    ['a NUL', withData({ model: 'a\0b' })],
    ['half a surrogate pair', withData({ model: 'a\ud800b' })],
    [
      'a getter that throws',
      Object.defineProperty({}, 'specversion', {
        get: () => {
          throw new Error('no');
        },
      }),
    ],
  ])('makes a dead letter of %s', (_name, event) => {
    const letter = readUsage(event);
    if (!isDeadLetter(letter)) throw new Error('accepted');
    expect(letter.reason).toBe('invalid');
    expect(letter.event.includes('\0')).toBe(false);
    expect(letter.event.isWellFormed()).toBe(true);
  });

  it('bounds what it keeps of a dead letter', () => {
    const letter = readUsage({ id: 'x'.repeat(1_000_000), subject: 'a\0b' });
    if (!isDeadLetter(letter)) throw new Error('accepted');
    expect(letter.event.length).toBeLessThanOrEqual(16_384);
    expect(letter.eventId).toHaveLength(128);
    expect(letter.accountId).toBe('a\u{fffd}b');
  });
});
