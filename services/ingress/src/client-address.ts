import { BlockList, isIP } from 'node:net';
import { clientNetwork, isListed, plainAddress } from '@tunan/service-kit';

/**
 * Proxies in front of this process whose `X-Forwarded-For` counts, from addresses and networks (`10.0.0.0/8`).
 * @throws Error naming the first entry that is neither
 */
export const trustedProxies = (entries: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/');
    const family = isIP(address);
    const bits = prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix);
    if (family === 0 || !Number.isInteger(bits) || bits < 0 || bits > (family === 4 ? 32 : 128))
      throw new Error(`not an address or network: ${entry}`);
    list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
};

const FORWARDED_MAX = 32;

/**
 * The address that a request is limited by: the peer's, or behind trusted proxies the last hop that is not one of
 * them. What a client writes into the header itself stands before that and is never reached. IPv6 counts by /64,
 * which is what one customer gets.
 */
export const clientAddress = (
  peer: string,
  forwardedFor: string | string[] | undefined,
  trusted: BlockList,
): string => {
  let address = plainAddress(peer);
  const text = Array.isArray(forwardedFor) ? forwardedFor.join(',') : (forwardedFor ?? '');
  const hops = text === '' ? [] : text.split(',').slice(-FORWARDED_MAX);
  while (hops.length > 0 && isListed(address, trusted)) {
    const hop = plainAddress(hops.pop()!.trim());
    if (isIP(hop) === 0) break;
    address = hop;
  }
  return clientNetwork(address);
};
