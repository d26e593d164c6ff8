import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { aChannel } from '../testing/a-catalog.js';
import { planChannels } from './plan.js';

const healthy = () => 1;
const ids = (channels: ReturnType<typeof planChannels>) => channels.map(({ id }) => id);

describe('planChannels', () => {
  it('puts higher priorities first whatever the lottery says', () => {
    const channels = [
      aChannel({ id: 'a', priority: 100, weight: 1 }),
      aChannel({ id: 'b', priority: 50, weight: 1_000 }),
    ];
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        (chances) => {
          expect(ids(planChannels(channels, healthy, () => chances.next().value as number))).toEqual([
            'a',
            'b',
          ]);
        },
      ),
    );
  });

  it('shares a priority by weight and health', () => {
    const channels = [
      aChannel({ id: 'a', weight: 100 }),
      aChannel({ id: 'b', weight: 300 }),
      aChannel({ id: 'c', weight: 400 }),
    ];
    let state = 1;
    const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    const wins: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let draw = 0; draw < 10_000; draw += 1) {
      const [first] = ids(planChannels(channels, ({ id }) => (id === 'c' ? 0.25 : 1), random));
      wins[first!]! += 1;
    }
    // 100 : 300 : 100
    expect(wins['a']! / 10_000).toBeCloseTo(0.2, 1);
    expect(wins['b']! / 10_000).toBeCloseTo(0.6, 1);
    expect(wins['c']! / 10_000).toBeCloseTo(0.2, 1);
  });

  it('leaves out what may not be used', () => {
    const channels = [aChannel({ id: 'a', priority: 100 }), aChannel({ id: 'b' })];
    expect(
      ids(
        planChannels(
          channels,
          ({ id }) => (id === 'a' ? 0 : 1),
          () => 0.5,
        ),
      ),
    ).toEqual(['b']);
    expect(planChannels([], healthy, () => 0.5)).toEqual([]);
  });
});
