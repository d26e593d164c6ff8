import type { z } from 'zod';
import type { ServiceName } from '../services.js';

/** One call of a control contract. */
export interface CallSpec<Request extends z.ZodType = z.ZodType, Reply extends z.ZodType = z.ZodType> {
  readonly request: Request;
  readonly reply: Reply;
  /** Services that may make this call over the network; a callee refuses all others. */
  readonly callers: readonly ServiceName[];
  /** Upper bound of one call, connection included, in milliseconds. */
  readonly timeoutMs: number;
}

/** The calls that one service offers to others. */
export interface ContractSpec<Calls extends Record<string, CallSpec> = Record<string, CallSpec>> {
  /** The service that answers. */
  readonly service: ServiceName;
  readonly calls: Calls;
}

/** What callers and callee program against: the same methods whether the other side is in this process or not. */
export type Port<Contract extends ContractSpec> = {
  [Name in keyof Contract['calls']]: (
    request: z.output<Contract['calls'][Name]['request']>,
  ) => Promise<z.output<Contract['calls'][Name]['reply']>>;
};

/**
 * Declares one call. A reply is a value also where the answer is "no": denials are data, a Fault means that the
 * call could not be carried out.
 */
export const call = <Request extends z.ZodType, Reply extends z.ZodType>(
  request: Request,
  reply: Reply,
  options: { readonly callers: readonly ServiceName[]; readonly timeoutMs: number },
): CallSpec<Request, Reply> => ({ request, reply, ...options });
