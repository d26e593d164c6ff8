import type { CutWay } from '../domain/injected-fault.js';
import type { ServedCall } from './served-call.js';

/** A reset discards what the peer has not read yet: it gets time to read what was sent before. */
const RESET_GRACE_MS = 10;

/**
 * Ends a connection as a fault wants it, after everything written so far has been handed to the operating system:
 * `eof` ends the body in good form, `close` closes the connection inside the body, `reset` resets it.
 */
export const breakConnection = (call: ServedCall, way: CutWay): void => {
  const { response } = call;
  const { socket } = response;
  if (way === 'eof') {
    response.end();
    return;
  }
  if (way === 'reset') {
    call.after(RESET_GRACE_MS, () => socket?.resetAndDestroy());
    return;
  }
  // Node holds the writes of one turn back until the next tick.
  setImmediate(() => socket?.destroySoon());
};
