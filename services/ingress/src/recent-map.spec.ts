import { describe, expect, it } from '@jest/globals';
import { RecentMap } from './recent-map.js';

describe('RecentMap', () => {
  it('forgets what was put longest ago, and only beyond its bound', () => {
    const map = new RecentMap<number>(2);
    map.put('a', 1);
    map.put('b', 2);
    map.put('a', 3);
    expect([map.get('a'), map.get('b')]).toEqual([3, 2]);
    map.put('c', 4);
    expect([map.get('a'), map.get('b'), map.get('c')]).toEqual([3, undefined, 4]);
    map.delete('a');
    map.put('d', 5);
    expect([map.get('a'), map.get('c'), map.get('d')]).toEqual([undefined, 4, 5]);
  });
});
