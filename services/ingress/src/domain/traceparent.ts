import type { IncomingHttpHeaders } from 'node:http';

const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A client's W3C trace context, if it is well formed; anything else is ignored. */
export const readTraceparent = ({ traceparent }: IncomingHttpHeaders): string | undefined =>
  typeof traceparent === 'string' && TRACEPARENT.test(traceparent) ? traceparent : undefined;
