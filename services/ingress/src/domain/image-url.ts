import type { Fault } from '@tunan/kernel';
import { invalidValue } from './parameter-faults.js';

const DATA_URL = /^data:image\/(?:png|jpe?g|webp|gif|bmp|heic|tiff);base64,[A-Za-z0-9+/]/i;
/** Ports below 1,024 that serve web pages; others belong to services that a provider should not be made to call. */
const WEB_PORTS = ['', '80', '443'];
const SYSTEM_PORTS_END = 1_024;

/**
 * Judges the URL of an image by what it says: nothing is resolved, fetched or decoded here, the provider does that.
 * @throws Fault `invalid_value` for anything but a picture as data URL or a public http(s) address
 */
export const checkImageUrl = (url: unknown, param: string): void => {
  if (typeof url !== 'string' || url === '') throw invalidValue(param, `'${param}' must be a URL.`);
  if (/^data:/i.test(url)) {
    if (DATA_URL.test(url.slice(0, 64))) return;
    throw invalidValue(param, `'${param}' must be a data URL of an image in base64: data:image/png;base64,…`);
  }
  if (!isPublicWebAddress(url)) throw notPublic(param);
};

const notPublic = (param: string): Fault =>
  invalidValue(param, `'${param}' must be a public http or https address, or a data URL of an image.`);

const isPublicWebAddress = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, port, hostname } = new URL(text);
  if (protocol !== 'https:' && protocol !== 'http:') return false;
  if (username !== '' || password !== '') return false;
  if (!WEB_PORTS.includes(port) && Number(port) < SYSTEM_PORTS_END) return false;
  return !isPrivateHost(hostname.replace(/\.$/, ''));
};

/** The parser has brought every spelling of an address into one: `0x7f.1` and `2130706433` are `127.0.0.1` here. */
const isPrivateHost = (host: string): boolean => {
  if (host.startsWith('[')) return isPrivateIpv6(host.slice(1, -1));
  const octets = /^(\d+)\.(\d+)\.\d+\.\d+$/.exec(host);
  if (octets !== null) return isPrivateIpv4(Number(octets[1]), Number(octets[2]));
  return !host.includes('.') || /\.(?:localhost|local|localdomain|internal|lan|home\.arpa)$/.test(host);
};

const isPrivateIpv4 = (first: number, second: number): boolean =>
  first === 0 ||
  first === 10 ||
  first === 127 ||
  first >= 224 ||
  (first === 100 && second >= 64 && second < 128) ||
  (first === 169 && second === 254) ||
  (first === 172 && second >= 16 && second < 32) ||
  (first === 192 && second === 168) ||
  (first === 198 && (second === 18 || second === 19));

/** Only global unicast (2000::/3) is public; what embeds an IPv4 address lies outside, or in 2002::/16. */
const isPrivateIpv6 = (address: string): boolean =>
  !/^[23][0-9a-f]{3}:/.test(address) || address.startsWith('2002:');
