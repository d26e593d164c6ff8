import { describe, expect, it } from '@jest/globals';
import { clientAddress, trustedProxies } from './client-address.js';

const none = trustedProxies([]);
const balancer = trustedProxies(['10.0.0.0/8', '2001:db8:ffff::/48']);

describe('clientAddress', () => {
  it('is the peer, whatever a client that is no trusted proxy says', () => {
    expect(clientAddress('203.0.113.9', '198.51.100.1', none)).toBe('203.0.113.9');
    expect(clientAddress('203.0.113.9', '198.51.100.1', balancer)).toBe('203.0.113.9');
  });

  it('is the last hop before trusted proxies, never what stands in front of it', () => {
    expect(clientAddress('10.1.2.3', '6.6.6.6, 203.0.113.9', balancer)).toBe('203.0.113.9');
    expect(clientAddress('10.1.2.3', ['6.6.6.6', '203.0.113.9, 10.9.9.9'], balancer)).toBe('203.0.113.9');
    expect(clientAddress('::ffff:10.1.2.3', '203.0.113.9', balancer)).toBe('203.0.113.9');
  });

  it('stays the proxy’s where the header is missing, empty or not an address', () => {
    for (const header of [undefined, '', 'unknown', '203.0.113.9:80', "' OR 1=1"])
      expect(clientAddress('10.1.2.3', header, balancer)).toBe('10.1.2.3');
  });

  it('is one for a whole /64, in every spelling', () => {
    const spellings = [
      '2001:db8:1:2::1',
      '2001:db8:1:2:ffff::',
      '2001:db8:1:2:3:4:5:6',
      '2001:db8:1:2::9%eth0',
    ];
    expect(new Set(spellings.map((address) => clientAddress(address, undefined, none)))).toEqual(
      new Set(['2001:db8:1:2::/64']),
    );
    expect(clientAddress('::1', undefined, none)).toBe('0:0:0:0::/64');
  });
});

describe('trustedProxies', () => {
  it.each(['proxy.example.com', '10.0.0.0/33', '10.0.0.0/x', '', '::/129'])('refuses %p', (entry) => {
    expect(() => trustedProxies([entry])).toThrow(`not an address or network: ${entry}`);
  });
});
