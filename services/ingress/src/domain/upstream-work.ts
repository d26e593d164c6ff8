import type { Fault, FaultCode } from '@tunan/kernel';

/**
 * Faults that end a request while a provider works for it, or after it has: the client left, its patience or our longest
 * time was over, or the model could not do what it was asked for. All others are a provider's own failure, or ours, or
 * come before one was asked.
 */
const WORKED_FOR: readonly FaultCode[] = ['client_closed', 'deadline_exceeded', 'structured_output_failed'];

/** Whether a provider has worked for a request that ends with this fault, and did not fail at it by itself. */
export const wasWorkedFor = (fault: Fault): boolean => WORKED_FOR.includes(fault.code);
