import type { CallSpec, ContractSpec, Port } from '@tunan/contracts';
import { Fault, type FaultWire } from '@tunan/kernel';
import { z } from 'zod';
import type { PeerSet } from '../http/peer-set.js';
import { BATCH_BYTES_MAX, CALLS_PER_BATCH_MAX, rpcPath, type ResultBatch } from './wire.js';

interface Waiting {
  readonly name: string;
  readonly spec: CallSpec;
  readonly wire: unknown;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (fault: Fault) => void;
}

/** Most calls that wait for one peer set; further ones fail at once. */
const WAITING_MAX = 10_000;

const unavailable = (service: string, cause: unknown): Fault =>
  new Fault('service_unavailable', 'A part of the service is not reachable. Please retry.', {
    internal: `${service}: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause,
    retryAfterMs: 1_000,
  });

/** Sends the calls of one contract to another process; calls made in the same tick share one request. */
class HttpCaller {
  #queue = new Map<number, Waiting[]>();
  #waiting = 0;
  #scheduled = false;

  constructor(
    private readonly service: string,
    private readonly peers: PeerSet,
    private readonly token: string,
  ) {}

  call(name: string, spec: CallSpec, request: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#waiting >= WAITING_MAX) return reject(unavailable(this.service, `${WAITING_MAX} calls wait`));
      this.#waiting += 1;
      const calls = this.#queue.get(spec.timeoutMs) ?? [];
      // Calls with different timeouts travel apart, so that a slow one can't hold up a fast one's answer.
      if (calls.push({ name, spec, wire: z.encode(spec.request, request), resolve, reject }) === 1)
        this.#queue.set(spec.timeoutMs, calls);
      if (!this.#scheduled) {
        this.#scheduled = true;
        setImmediate(() => this.#flush());
      }
    });
  }

  #flush(): void {
    this.#scheduled = false;
    const queue = this.#queue;
    this.#queue = new Map();
    for (const [timeoutMs, calls] of queue)
      for (let start = 0; start < calls.length; start += CALLS_PER_BATCH_MAX)
        void this.#send(calls.slice(start, start + CALLS_PER_BATCH_MAX), timeoutMs);
  }

  async #send(calls: readonly Waiting[], timeoutMs: number): Promise<void> {
    try {
      const body = JSON.stringify({ calls: calls.map((each) => [each.name, each.wire]) });
      const answer = await this.peers.request(
        rpcPath(this.service),
        this.token,
        body,
        timeoutMs,
        BATCH_BYTES_MAX,
      );
      const { results } = JSON.parse(answer) as ResultBatch;
      if (results.length !== calls.length)
        throw new Error(`${results.length} results for ${calls.length} calls`);
      calls.forEach((each, index) => this.#settle(each, results[index]!));
    } catch (error) {
      const fault = unavailable(this.service, error);
      for (const each of calls) each.reject(fault);
    } finally {
      this.#waiting -= calls.length;
    }
  }

  #settle(waiting: Waiting, result: { reply: unknown } | { fault: FaultWire }): void {
    if ('fault' in result) return waiting.reject(Fault.fromWire(result.fault));
    const reply = z.safeDecode(waiting.spec.reply, result.reply as never);
    if (reply.success) waiting.resolve(reply.data);
    else waiting.reject(new Fault('internal_error', 'Internal error.', { internal: reply.error.message }));
  }
}

/**
 * Binds a contract to other processes over HTTP/1.1 and JSON. Every failure to reach them is `service_unavailable`;
 * a fault that the callee answers arrives as itself.
 * @param token what this caller proves itself with
 */
export const httpPort = <Contract extends ContractSpec>(
  contract: Contract,
  peers: PeerSet,
  token: string,
): Port<Contract> => {
  const caller = new HttpCaller(contract.service, peers, token);
  const entries = Object.entries(contract.calls).map(([name, spec]) => [
    name,
    (request: unknown) => caller.call(name, spec, request),
  ]);
  return Object.fromEntries(entries) as Port<Contract>;
};
