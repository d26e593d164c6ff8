import { configSchema, integer } from '@tunan/config';
import { z } from 'zod';
import { trustedProxies } from './client-address.js';

/** Addresses and networks, separated by commas. */
const networks = () =>
  z.string().transform((text, context) => {
    try {
      const entries = text.split(',').flatMap((entry) => entry.trim() || []);
      trustedProxies(entries);
      return entries;
    } catch (error) {
      context.addIssue((error as Error).message);
      return z.NEVER;
    }
  });

export const ingressConfig = configSchema({
  /** Largest request body, in bytes. */
  INGRESS_BODY_BYTES_MAX: integer(1_024, 100 * 1024 * 1024).default(20 * 1024 * 1024),
  /** Bytes of request bodies in memory at once, beyond which new requests are refused (503). */
  INGRESS_BODY_BYTES_IN_FLIGHT_MAX: integer(1_024, 100 * 1024 * 1024 * 1024).default(256 * 1024 * 1024),
  /** Requests in flight at once, beyond which new ones are refused (503). */
  INGRESS_REQUESTS_IN_FLIGHT_MAX: integer(1, 1_000_000).default(4_096),
  /** 99th percentile of the event loop's delay above which new requests are refused (503), in milliseconds. */
  INGRESS_LOOP_DELAY_MS_MAX: integer(10, 60_000).default(250),
  /** Longest life of one request, in milliseconds. */
  INGRESS_EXCHANGE_MS_MAX: integer(1_000, 3_600_000).default(600_000),
  /** Latest time of the response headers of a stream, in milliseconds; then comments keep the connection open. */
  INGRESS_STREAM_HEADERS_MS: integer(100, 60_000).default(15_000),
  /** A client that takes no byte of its stream for this long has gone, in milliseconds. */
  INGRESS_WRITE_STALL_MS: integer(1_000, 600_000).default(60_000),
  /** Keys whose principal is remembered. */
  INGRESS_PRINCIPALS_MAX: integer(100, 10_000_000).default(100_000),
  /** Client addresses whose failed authentications are remembered. */
  INGRESS_ADDRESSES_MAX: integer(100, 1_000_000).default(10_000),
  /** Proxies whose `X-Forwarded-For` names the client: addresses and networks, separated by commas. */
  INGRESS_TRUSTED_PROXIES: networks().prefault(''),
});
