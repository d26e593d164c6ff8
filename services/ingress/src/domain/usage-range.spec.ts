import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { daysOf, usageRange } from './usage-range.js';

const NOW_MS = Date.UTC(2026, 10, 27, 23, 59, 59, 999);

describe('usageRange', () => {
  it('takes the days that were asked for, both included', () => {
    const range = usageRange({ start_date: '2026-02-27', end_date: '2026-03-01' }, NOW_MS);
    expect(daysOf(range)).toEqual(['2026-02-27', '2026-02-28', '2026-03-01']);
  });

  it('is the last thirty days without dates, and the thirty before an end', () => {
    for (const query of [{}, { start_date: '', end_date: '' }, { other: 'x' }])
      expect(usageRange(query, NOW_MS)).toEqual({ from: '2026-10-29', through: '2026-11-27' });
    expect(usageRange({ end_date: '2026-01-30' }, NOW_MS)).toEqual({
      from: '2026-01-01',
      through: '2026-01-30',
    });
  });

  it('leaves out the future, and is empty where start is after end', () => {
    expect(usageRange({ start_date: '2026-11-26', end_date: '2999-01-01' }, NOW_MS).through).toBe(
      '2026-11-27',
    );
    expect(daysOf(usageRange({ start_date: '2026-11-28', end_date: '2026-11-30' }, NOW_MS))).toEqual([]);
    expect(daysOf(usageRange({ start_date: '2026-03-02', end_date: '2026-03-01' }, NOW_MS))).toEqual([]);
  });

  // Guarantee: no query makes billing read more than 400 days.
  it('answers for any two dates with at most 400 days of what was asked for', () => {
    const date = fc
      .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
      .map((value) => value.toISOString().slice(0, 10));
    fc.assert(
      fc.property(date, date, (start_date, end_date) => {
        const days = daysOf(usageRange({ start_date, end_date }, NOW_MS));
        expect(days.length).toBeLessThanOrEqual(400);
        for (const day of days) expect(day >= start_date && day <= end_date).toBe(true);
        if (start_date <= end_date && end_date <= '2026-11-27') expect(days.at(-1)).toBe(end_date);
      }),
    );
  });

  it.each([
    'today',
    '0000-01-01',
    '2026-13-01',
    '2026-02-30',
    '2026-1-5',
    '1764201600',
    "' OR 1=1",
    '2026-01-01T00:00:00+99:99',
    ['2026-01-01', '2026-01-02'],
  ])('refuses %j', (start_date) => {
    expect(() => usageRange({ start_date }, NOW_MS)).toThrow(
      expect.objectContaining({ code: 'invalid_value', param: 'start_date' }),
    );
  });
});
