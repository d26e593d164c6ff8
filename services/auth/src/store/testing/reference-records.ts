import type { AccountProfile, Hold, LedgerState } from '@tunan/contracts';
import type { Settlement } from '../../domain/operations.js';

/** All that the reference store knows of one request. */
export interface Request {
  readonly hold: Hold;
  readonly lowered: boolean;
  state: 'held' | 'void' | 'final' | 'lost';
  leaseEndsMs: number;
  delivered: number;
  charge: Settlement['charge'] | null;
  pending: boolean;
  countedRequests: number;
  countedTokens: number;
  endedAtMs: number;
  seq: number;
  acked: boolean;
}

/** All that it knows of one account, beside its requests. */
export interface Account {
  ledger: LedgerState | undefined;
  profile: AccountProfile | undefined;
  verified: boolean;
  factor: { permille: number; untilMs: number } | undefined;
  reads: number[];
}

/** A charge of which only so much is paid. */
export const overrun = (
  charge: Settlement['charge'],
  cost: bigint,
  hold: bigint,
  reach: bigint | null,
): Settlement['charge'] => ({ ...charge, cost, flags: [...charge.flags, 'overrun'], means: { hold, reach } });
