import type { FastifyReply } from 'fastify';
import { quotaLeft, quotaUsed, type Clock } from '@tunan/kernel';
import type { TokenUsageAnswer } from '../domain/answers.js';
import { keyBudgetOf } from '../domain/key-budget.js';
import type { AuthenticatedRequest, Endpoint } from '../public-api.js';
import type { AccountReads } from './account-reads.js';
import { sendJson } from './send-json.js';

/**
 * `GET /api/usage/token`, in the shape that clients of new-api know: the budget of the key in quota units (500,000 =
 * $1). A key without a cap of its own is `unlimited_quota`, and shows what its account has.
 */
export class TokenUsage implements Endpoint {
  readonly method = 'GET';
  readonly path = '/api/usage/token';

  constructor(
    private readonly reads: AccountReads,
    private readonly clock: Clock,
  ) {}

  async handle(request: AuthenticatedRequest, reply: FastifyReply): Promise<void> {
    const account = await this.reads.read(request);
    const { used, left } = keyBudgetOf(account);
    const key = account.profile.keys.find(({ keyId }) => keyId === request.principal.keyId);
    const models = key?.models ?? null;
    const answer: TokenUsageAnswer = {
      code: true,
      message: 'ok',
      data: {
        object: 'token_usage',
        name: key?.name ?? '',
        total_granted: Number(quotaUsed(used) + quotaLeft(left)),
        total_used: Number(quotaUsed(used)),
        total_available: Number(quotaLeft(left)),
        unlimited_quota: account.keyBudget === null,
        model_limits: Object.fromEntries((models ?? []).map((model) => [model, true as const])),
        model_limits_enabled: models !== null,
        expires_at: Math.floor((key?.expiresAtMs ?? 0) / 1_000),
      },
    };
    sendJson(reply.raw, request, account, this.clock, answer);
  }
}
