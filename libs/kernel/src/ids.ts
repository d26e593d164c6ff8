import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 16 * 256;
const pool = Buffer.allocUnsafe(POOL_BYTES);
let used = POOL_BYTES;

/**
 * A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits. Ids sort by time to the
 * millisecond, which is what range partitions and index locality need; order within a millisecond is not promised.
 */
export const uuidv7 = (nowMs: number = Date.now()): string => {
  // One system call fills random bytes for 256 ids: this runs on every request.
  if (used === POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  const start = used;
  used += 16;
  pool.writeUIntBE(nowMs, start, 6);
  pool[start + 6] = 0x70 | (pool[start + 6]! & 0x0f);
  pool[start + 8] = 0x80 | (pool[start + 8]! & 0x3f);
  const hex = pool.toString('hex', start, start + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};

const UUIDV7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Unix milliseconds in which a UUID version 7 was made; undefined for anything else. */
export const uuidv7TimeMs = (id: string): number | undefined => {
  const match = UUIDV7.exec(id);
  return match === null ? undefined : Number.parseInt(match[1]! + match[2]!, 16);
};

/** Id of the usage event that settles a request with what was really used. */
export const finalEventId = (requestId: string): string => `${requestId}:final`;

/** Id of the usage event of a request whose process died before it settled. */
export const lostEventId = (requestId: string): string => `${requestId}:lost`;
