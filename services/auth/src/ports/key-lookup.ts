import type { Principal } from '@tunan/contracts';

/** Finds keys by what is kept of them. */
export abstract class KeyLookup {
  /**
   * The principal of each of these keys that is active and not expired, null for the others, in the order of the keys.
   * @param keys HMACs of each key, under every pepper that it may be kept under
   * @throws Fault `service_unavailable` if that can't be told
   */
  abstract find(keys: readonly (readonly Buffer[])[]): Promise<readonly (Principal | null)[]>;
}
