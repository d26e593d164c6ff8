import type { FastifyReply } from 'fastify';
import type { Clock } from '@tunan/kernel';
import type { BillingSubscriptionAnswer } from '../domain/answers.js';
import { usdNumber } from '../domain/decimal-json.js';
import { keyBudgetOf } from '../domain/key-budget.js';
import type { AuthenticatedRequest, Endpoint } from '../public-api.js';
import type { AccountReads } from './account-reads.js';
import { sendJson } from './send-json.js';

/**
 * `GET …/dashboard/billing/subscription`, in the shape that balance checkers know from OpenAI's former dashboard and
 * from one-api: the limit is what was used and what is left, so that the difference to `total_usage` is what is left.
 */
export class BillingSubscription implements Endpoint {
  readonly method = 'GET';

  constructor(
    readonly path: string,
    private readonly reads: AccountReads,
    private readonly clock: Clock,
  ) {}

  async handle(request: AuthenticatedRequest, reply: FastifyReply): Promise<void> {
    const account = await this.reads.read(request);
    const { used, left } = keyBudgetOf(account);
    const key = account.profile.keys.find(({ keyId }) => keyId === request.principal.keyId);
    const limit = usdNumber(used + left);
    const answer: BillingSubscriptionAnswer = {
      object: 'billing_subscription',
      has_payment_method: true,
      soft_limit_usd: limit,
      hard_limit_usd: limit,
      system_hard_limit_usd: limit,
      access_until: Math.floor((key?.expiresAtMs ?? 0) / 1_000),
    };
    sendJson(reply.raw, request, account, this.clock, answer);
  }
}
