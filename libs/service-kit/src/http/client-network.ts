import { isIP, isIPv4, type BlockList } from 'node:net';

/** An IPv4 address that arrived on an IPv6 socket is the same address. */
export const plainAddress = (address: string): string =>
  address.startsWith('::ffff:') ? address.slice(7) : address;

/** Whether a plain address is on a list; what is no address is on none. */
export const isListed = (address: string, list: BlockList): boolean => {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
};

/** What a plain address counts as where clients are told apart: itself, or of IPv6 the /64 that one customer gets. */
export const clientNetwork = (address: string): string => {
  if (isIPv4(address)) return address;
  const [head = '', tail] = address.split('%', 1)[0]!.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const rest = tail === '' ? 0 : tail.split(':').length;
    while (groups.length < 8 - rest) groups.push('0');
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
};
