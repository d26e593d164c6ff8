import type { Principal } from '@tunan/contracts';

/** Finds keys by what is kept of them. */
export abstract class KeyLookup {
  /**
   * Principal of a key that is active and not expired, by any of these HMACs; null if there is none.
   * @throws Fault `service_unavailable` if that can't be told
   */
  abstract find(hmacs: readonly Buffer[]): Promise<Principal | null>;
}
