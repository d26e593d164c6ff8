import type { FastifyReply } from 'fastify';
import type { BillingPort, DayUsage } from '@tunan/contracts';
import type { Clock } from '@tunan/kernel';
import type { BillingUsageAnswer } from '../domain/answers.js';
import { centNumber } from '../domain/decimal-json.js';
import { keyBudgetOf } from '../domain/key-budget.js';
import { daysOf, usageRange, type UsageRange } from '../domain/usage-range.js';
import type { AuthenticatedRequest, Endpoint } from '../public-api.js';
import type { AccountReads } from './account-reads.js';
import { sendJson } from './send-json.js';

type DailyCost = BillingUsageAnswer['daily_costs'][number];

/**
 * `GET …/dashboard/billing/usage`, in the shape of OpenAI's former dashboard, amounts in cents. `total_usage` is
 * lifetime use whatever the dates are; `daily_costs` has the days that were asked for, as far as the ledger has them.
 */
export class BillingUsage implements Endpoint {
  readonly method = 'GET';

  constructor(
    readonly path: string,
    private readonly reads: AccountReads,
    private readonly billing: Pick<BillingPort, 'usageByDay'>,
    private readonly clock: Clock,
  ) {}

  async handle(request: AuthenticatedRequest, reply: FastifyReply): Promise<void> {
    const account = await this.reads.read(request);
    const range = usageRange(request.raw.query as Record<string, unknown>, this.clock.nowMs());
    const { accountId, keyId } = request.principal;
    const key = account.keyBudget === null ? null : keyId;
    const answer: BillingUsageAnswer = {
      object: 'list',
      total_usage: centNumber(keyBudgetOf(account).used),
      daily_costs: await this.#dailyCosts(accountId, key, range),
    };
    sendJson(reply.raw, request, account, this.clock, answer);
  }

  async #dailyCosts(accountId: string, keyId: string | null, range: UsageRange): Promise<DailyCost[]> {
    if (range.from > range.through) return [];
    const { days } = await this.billing.usageByDay({ accountId, keyId, ...range });
    const byDay = Map.groupBy(days, ({ day }) => day);
    return daysOf(range).map((day) => ({
      timestamp: Date.parse(day) / 1_000,
      line_items: (byDay.get(day) ?? []).map(lineItem),
    }));
  }
}

const lineItem = ({ model, cost }: DayUsage): DailyCost['line_items'][number] => ({
  name: model,
  cost: centNumber(cost),
});
