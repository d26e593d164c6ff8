import { BlockList } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import type { Fault } from '@tunan/kernel';
import { ConnectionLimit } from './connection-limit.js';

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'taken';
  } catch (error) {
    return (error as Fault).code;
  }
};

describe('ConnectionLimit', () => {
  it('takes as many as it may of an address, counts an IPv6 /64 as one, and forgets those that ended', () => {
    const limit = new ConnectionLimit({ max: 100, perAddressMax: 2 });
    const leave = limit.enter('203.0.113.1');
    limit.enter('::ffff:203.0.113.1');
    expect(codeOf(() => limit.enter('203.0.113.1'))).toBe('rate_limit_exceeded');
    expect(codeOf(() => limit.enter('203.0.113.2'))).toBe('taken');
    leave();
    expect(codeOf(() => limit.enter('203.0.113.1'))).toBe('taken');
    limit.enter('2001:db8::1');
    limit.enter('2001:db8::2');
    expect(codeOf(() => limit.enter('2001:db8::3'))).toBe('rate_limit_exceeded');
    expect(codeOf(() => limit.enter('2001:db8:0:1::3'))).toBe('taken');
    expect(limit.open).toBe(6);
  });

  it('bounds them all, and trusted proxies only so', () => {
    const limit = new ConnectionLimit({ max: 3, perAddressMax: 1 });
    const proxies = new BlockList();
    proxies.addSubnet('10.0.0.0', 8);
    limit.trust(proxies);
    const leaves = [limit.enter('10.0.0.1'), limit.enter('10.0.0.1'), limit.enter('::ffff:10.0.0.1')];
    expect(codeOf(() => limit.enter('10.0.0.1'))).toBe('overloaded');
    expect(codeOf(() => limit.enter('203.0.113.1'))).toBe('overloaded');
    for (const leave of leaves) leave();
    expect(limit.open).toBe(0);
    expect(codeOf(() => limit.enter('203.0.113.1'))).toBe('taken');
  });
});
