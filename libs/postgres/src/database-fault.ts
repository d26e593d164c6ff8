import { Fault } from '@tunan/kernel';

const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
]);

/** Conditions of the driver that carry no code. */
const DRIVER_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end)/;

/**
 * SQLSTATEs of a server that can't serve now (PostgreSQL 18, appendix A): connection trouble, authentication, no such
 * database, insufficient resources, operator intervention (57014 is the statement timeout), system error, a lock
 * that was not granted in time, retries of a serialization failure that ran out, a server that is read-only because
 * it is no longer the primary.
 */
const UNAVAILABLE_STATE = /^(08|28|3D|53|57|58|40|55P03$|25006$)/;

const RETRY_AFTER_MS = 1_000;

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** An error by its shape: those of Node's own modules are not instances of the `Error` of every realm. */
interface ErrorShape {
  readonly message: string;
  readonly code?: unknown;
  readonly errors?: unknown;
}

const shapeOf = (error: unknown): ErrorShape | undefined =>
  typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string'
    ? (error as ErrorShape)
    : undefined;

/** The SQLSTATE of an error that the server reported, or undefined. */
export const sqlState = (error: unknown): string | undefined => {
  const code = shapeOf(error)?.code;
  return typeof code === 'string' && SQLSTATE.test(code) && !NETWORK_CODES.has(code) ? code : undefined;
};

const isUnavailable = (error: ErrorShape): boolean => {
  if (typeof error.code === 'string' && NETWORK_CODES.has(error.code)) return true;
  // Node reports a failed dual-stack connect as one error around the attempts.
  if (Array.isArray(error.errors))
    return error.errors.map(shapeOf).some((inner) => inner !== undefined && isUnavailable(inner));
  const state = sqlState(error);
  return state === undefined ? DRIVER_MESSAGES.test(error.message) : UNAVAILABLE_STATE.test(state);
};

/**
 * What a caller may know of a failed database call: `service_unavailable` if the same call may succeed later,
 * `internal_error` if the statement itself was at fault. Faults pass through.
 */
export const databaseFault = (error: unknown): Fault => {
  const shape = error instanceof Fault ? undefined : shapeOf(error);
  if (shape === undefined || !isUnavailable(shape)) return Fault.from(error);
  return new Fault('service_unavailable', 'The service is temporarily unavailable. Try again.', {
    internal: `postgres: ${shape.message}`,
    cause: error,
    retryAfterMs: RETRY_AFTER_MS,
  });
};
