import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';

/** The kernel's table of connections. */
const TABLE = '/proc/net/tcp';
const WAIT_MS_MAX = 10_000;
/** Where the kernel shows no table: long enough for another process to read, most of the time. */
const PAUSE_MS = 2;

/**
 * Waits until the other end of a connection within this machine (IPv4) has read everything that was written here, so that
 * what is written next comes in a read of its own; or until the connection has ended. Where the kernel does not tell, a short
 * pause.
 * @throws Error if it is not read within ten seconds
 */
export const readByPeer = async ({ localPort, remotePort }: Socket): Promise<void> => {
  if (!existsSync(TABLE)) return void (await new Promise((resolve) => setTimeout(resolve, PAUSE_MS)));
  const endMs = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const table = await readFile(TABLE, 'latin1');
    const sent = queues(table, localPort!, remotePort!)?.unacknowledged;
    const unread = queues(table, remotePort!, localPort!)?.unread;
    if (sent === undefined || (sent === 0 && unread === 0)) return;
    if (performance.now() > endMs) throw new Error(`not read: ${sent} bytes on their way, ${unread} there`);
    await setImmediate();
  }
};

const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');

/** Bytes in the queues of one end. */
const queues = (
  table: string,
  localPort: number,
  remotePort: number,
): { readonly unacknowledged: number; readonly unread: number } | undefined => {
  const row = new RegExp(
    `:${hex(localPort)} [0-9A-F]{8}:${hex(remotePort)} [0-9A-F]{2} ([0-9A-F]{8}):([0-9A-F]{8})`,
  ).exec(table);
  return row === null
    ? undefined
    : { unacknowledged: Number.parseInt(row[1]!, 16), unread: Number.parseInt(row[2]!, 16) };
};
