import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallSpec, ServiceName } from '@tunan/contracts';
import { Fault, type FaultWire } from '@tunan/kernel';
import { z } from 'zod';
import { sendFault } from '../http/error-response.js';
import { readBody } from '../http/read-body.js';
import type { ProvidedContract } from '../service.js';
import type { Callers } from './callers.js';
import { BATCH_BYTES_MAX, CALLS_PER_BATCH_MAX, rpcPath, type CallBatch } from './wire.js';

type Method = (request: unknown) => Promise<unknown>;

const callBatch = z.object({ calls: z.array(z.tuple([z.string(), z.unknown()])).max(CALLS_PER_BATCH_MAX) });

/** Answers the calls of the contracts that services of this process provide. */
export class RpcServer {
  readonly #provided = new Map<string, ProvidedContract>();

  constructor(private readonly callers: Callers) {}

  provide(provided: ProvidedContract): void {
    this.#provided.set(rpcPath(provided.contract.service), provided);
  }

  /** True if the request's path is one of ours. */
  matches(request: IncomingMessage): boolean {
    return this.#provided.has(request.url ?? '');
  }

  /** Answers one batch. Each call succeeds or fails by itself. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const caller = this.callers.identify(request);
      if (caller === undefined) throw new Fault('invalid_api_key', 'Unknown caller.');
      const provided = this.#provided.get(request.url ?? '');
      if (provided === undefined || request.method !== 'POST') throw new Fault('not_found', 'No such call.');
      const batch = parseBatch(await readBody(request, BATCH_BYTES_MAX));
      const results = await Promise.all(
        batch.calls.map(([name, wire]) => answer(provided, caller, name, wire)),
      );
      const body = Buffer.from(JSON.stringify({ results }));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
      response.end(body);
    } catch (error) {
      sendFault(response, Fault.from(error));
    }
  }
}

const parseBatch = (body: Buffer): CallBatch => {
  try {
    return callBatch.parse(JSON.parse(body.toString('utf8')));
  } catch (cause) {
    throw new Fault('invalid_json', 'Not a batch of calls.', { cause });
  }
};

const answer = async (
  { contract, implementation }: ProvidedContract,
  caller: ServiceName,
  name: string,
  wire: unknown,
): Promise<{ reply: unknown } | { fault: FaultWire }> => {
  try {
    const spec: CallSpec | undefined = Object.hasOwn(contract.calls, name) ? contract.calls[name] : undefined;
    if (spec === undefined) throw new Fault('not_found', `No call ${name} on ${contract.service}.`);
    if (!spec.callers.includes(caller))
      throw new Fault('model_not_allowed', 'This caller may not make this call.', {
        internal: `${caller} called ${name}`,
      });
    const request = z.safeDecode(spec.request, wire as never);
    if (!request.success)
      throw new Fault('invalid_value', `${contract.service}.${name}: ${request.error.message}`);
    const reply = await (implementation as Record<string, Method>)[name]!(request.data);
    return { reply: z.encode(spec.reply, reply) };
  } catch (error) {
    return { fault: Fault.from(error).toWire() };
  }
};
