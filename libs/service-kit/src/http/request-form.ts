import type { IncomingMessage } from 'node:http';
import { Fault } from '@tunan/kernel';

/** Header lines of one request. Official SDKs send about 20, proxies add as many. */
export const HEADERS_MAX = 128;
const URL_CHARS_MAX = 8 * 1024;
const SLASH = 0x2f;

const invalid = (message: string): Fault => new Fault('invalid_value', message);

/**
 * What is wrong with the form of a request that the HTTP parser has let through, or undefined. Each of these can be
 * read in two ways, and who reads it differently from the proxy before us decides what the next request is.
 */
export const formFault = (request: IncomingMessage): Fault | undefined => {
  const { httpVersionMajor, httpVersionMinor, headers, rawHeaders } = request;
  if (httpVersionMajor !== 1) return invalid('Only HTTP/1.0 and HTTP/1.1 are spoken here.');
  const url = request.url!;
  if (url.charCodeAt(0) !== SLASH && url !== '*')
    return invalid('The request target must be a path: this is not a proxy.');
  if (url.length > URL_CHARS_MAX)
    return new Fault('url_too_long', `The URL is longer than ${URL_CHARS_MAX} characters.`);
  // Lines of one name come joined with commas, and no name of a host has one.
  if (headers.host === undefined ? httpVersionMinor === 1 : headers.host.includes(','))
    return invalid('The request must have exactly one Host header.');
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    return invalid("The only Transfer-Encoding that is accepted is 'chunked'.");
  // RFC 9112 §6.1: a peer of that version may read the chunks as requests, and the connection has to end.
  if (coding !== undefined && httpVersionMinor === 0)
    return invalid('HTTP/1.0 has no Transfer-Encoding; send a Content-Length.');
  if (rawHeaders.length > HEADERS_MAX * 2)
    return new Fault('headers_too_large', `The request has more than ${HEADERS_MAX} header lines.`);
  return undefined;
};
