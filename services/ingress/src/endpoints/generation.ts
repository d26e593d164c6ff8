import type { FastifyReply } from 'fastify';
import type { AuthPort, BillingPort } from '@tunan/contracts';
import { Fault, type Clock } from '@tunan/kernel';
import type { GenerationAnswer } from '../domain/answers.js';
import { generationJson, requestIdOf } from '../domain/generation.js';
import type { AuthenticatedRequest, Endpoint } from '../public-api.js';
import type { AccountReads } from './account-reads.js';
import { sendJson } from './send-json.js';

/**
 * `GET /v1/generations/{id}`: what a call of this account cost and who served it. Asks the admission store first,
 * which lets go of an event only after billing has it: a settled request is found whenever one looks.
 */
export class GetGeneration implements Endpoint {
  readonly method = 'GET';
  readonly path = '/v1/generations/:id';

  constructor(
    private readonly reads: AccountReads,
    private readonly auth: Pick<AuthPort, 'findUsage'>,
    private readonly billing: Pick<BillingPort, 'findUsage'>,
    private readonly clock: Clock,
  ) {}

  async handle(request: AuthenticatedRequest, reply: FastifyReply): Promise<void> {
    const account = await this.reads.read(request);
    const { id } = request.raw.params as { id: string };
    const requestId = requestIdOf(id);
    const found =
      requestId === undefined ? undefined : await this.#find(request.principal.accountId, requestId);
    if (found === undefined)
      throw new Fault(
        'not_found',
        'No such generation. Use the x-request-id or the id of an answer that this account has got in full.',
        { param: 'id' },
      );
    sendJson(reply.raw, request, account, this.clock, found);
  }

  async #find(accountId: string, requestId: string): Promise<GenerationAnswer | undefined> {
    const { event: pending } = await this.auth.findUsage({ accountId, requestId });
    if (pending !== null) return generationJson(pending, 'pending');
    const { event: posted } = await this.billing.findUsage({ accountId, requestId });
    return posted === null ? undefined : generationJson(posted, 'posted');
  }
}
