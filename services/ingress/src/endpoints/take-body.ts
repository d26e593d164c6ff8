import type { AuthenticatedRequest } from '../public-api.js';

const NOTHING = Buffer.alloc(0);

/** The body as it came, once: the request lives until its answer has ended, and must not keep 20 MiB for so long. */
export const takeBody = ({ raw }: AuthenticatedRequest): Buffer => {
  const body = (raw.body as Buffer | undefined) ?? NOTHING;
  raw.body = undefined;
  return body;
};
