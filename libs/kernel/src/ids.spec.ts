import { describe, expect, it } from '@jest/globals';
import { uuidv7, uuidv7TimeMs } from './ids.js';

describe('uuidv7', () => {
  it('has version 7 and the RFC variant, and never repeats', () => {
    const ids = Array.from({ length: 2_000 }, () => uuidv7());
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('sorts as text by its millisecond', () => {
    const times = [0, 1, 1_700_000_000_000, 1_700_000_000_001, 2 ** 48 - 1];
    const ids = times.map((ms) => uuidv7(ms));
    expect([...ids].sort()).toEqual(ids);
    expect(uuidv7(1_700_000_000_000).slice(0, 13)).toBe('018bcfe5-6800');
    expect(ids.map(uuidv7TimeMs)).toEqual(times);
  });

  it('tells its time, and that of nothing else', () => {
    for (const other of ['', 'r1', '018bcfe5-6800-4000-8000-000000000000', `${uuidv7()}:final`])
      expect(uuidv7TimeMs(other)).toBeUndefined();
  });
});
