import type { FaultWire } from '@tunan/kernel';

/** Calls that were made in one tick, in one request. */
export interface CallBatch {
  readonly calls: readonly (readonly [name: string, request: unknown])[];
}

/** One answer per call, in order. */
export interface ResultBatch {
  readonly results: readonly ({ readonly reply: unknown } | { readonly fault: FaultWire })[];
}

/** Most calls in one request. */
export const CALLS_PER_BATCH_MAX = 256;

/** Largest request and answer body, in bytes. */
export const BATCH_BYTES_MAX = 16 * 1024 * 1024;

/** Path of a service's calls on its internal listener. */
export const rpcPath = (service: string): string => `/rpc/${service}`;
