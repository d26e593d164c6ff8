import type { ContractSpec, Port } from '@tunan/contracts';
import { Fault } from '@tunan/kernel';

type Method = (request: unknown) => Promise<unknown>;

/**
 * Binds a contract to its implementation in this process: a call is a method call. The implementation is looked up
 * at each call, so services may start in any order; until it is there a call fails as it would over the network.
 */
export const localPort = <Contract extends ContractSpec>(
  contract: Contract,
  resolve: () => object | undefined,
): Port<Contract> => {
  const port: Record<string, Method> = {};
  for (const name of Object.keys(contract.calls)) {
    port[name] = async (request) => {
      const implementation = resolve() as Record<string, Method> | undefined;
      if (implementation === undefined) {
        throw new Fault('service_unavailable', 'The service is starting. Please retry.', {
          internal: `${contract.service} has not started`,
          retryAfterMs: 1_000,
        });
      }
      try {
        return await implementation[name]!(request);
      } catch (error) {
        throw Fault.from(error);
      }
    };
  }
  return port as Port<Contract>;
};
