import { existsSync, readFileSync } from 'node:fs';

/** Connections over IPv4 that the kernel has, one a line. */
const TABLE = '/proc/net/tcp';
/** Closed by this end while the other has not taken everything: the kernel keeps what is left for it. */
const FIN_WAIT_1 = '04';

/** Closed connections of a port whose unsent bytes the kernel still keeps; none where it shows no table. */
export const unsentConnections = (port: number): number => {
  if (!existsSync(TABLE)) return 0;
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync(TABLE, 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, address, , state]) => address?.endsWith(local) === true && state === FIN_WAIT_1).length;
};
