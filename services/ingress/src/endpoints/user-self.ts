import type { FastifyReply } from 'fastify';
import { quotaLeft, quotaUsed, type Clock } from '@tunan/kernel';
import type { UserSelfAnswer } from '../domain/answers.js';
import type { AuthenticatedRequest, Endpoint } from '../public-api.js';
import type { AccountReads } from './account-reads.js';
import { sendJson } from './send-json.js';

/** `GET /api/user/self`: what is left and what was used, in quota units (500,000 = $1). */
export class UserSelf implements Endpoint {
  readonly method = 'GET';
  readonly path = '/api/user/self';

  constructor(
    private readonly reads: AccountReads,
    private readonly clock: Clock,
  ) {}

  async handle(request: AuthenticatedRequest, reply: FastifyReply): Promise<void> {
    const account = await this.reads.read(request);
    const { profile } = account;
    const data: UserSelfAnswer['data'] = {
      id: request.principal.accountId,
      username: profile.email,
      display_name: profile.displayName,
      email: profile.email,
      group: profile.tier,
      status: profile.status === 'active' ? 1 : 2,
      quota: Number(quotaLeft(account.left)),
      used_quota: Number(quotaUsed(account.spent)),
      request_count: account.requests,
    };
    const answer: UserSelfAnswer = { success: true, message: '', data };
    sendJson(reply.raw, request, account, this.clock, answer);
  }
}
