import { parseUsd } from '@tunan/kernel';
import { Differences, member, PlatformClient, type Answer } from './platform-client.js';
import { AnswerProbe } from './probe-answers.js';
import { probeErrors } from './probe-errors.js';
import {
  ANSWERS,
  EMBEDDING_MODELS,
  FAILOVER,
  LIMITS,
  QUOTA,
  RATE_LIMIT_HEADERS,
  TEXT_MODELS,
  VISION_MODELS,
} from './seed-facts.js';

const RESET_MS_MAX = 61_000;
/** Clock difference that is allowed between the platform and this process. */
const SKEW_MS = 5_000;

const checkModelList = (found: Differences, answer: Answer): void => {
  const { at, object, entry, entryObject } = ANSWERS.models;
  found.equal(at, 'status', answer.status, 200);
  found.equal(at, 'object', member(answer.json, 'object'), object);
  const listed = (member(answer.json, 'data') ?? []) as readonly unknown[];
  const expected = [
    ...TEXT_MODELS.map(({ id, provider, contextTokens, input, output }) => ({
      id,
      provider,
      contextTokens,
      input,
      output,
    })),
    ...VISION_MODELS.map(({ id, provider, contextTokens, ours }) => ({
      id,
      provider,
      contextTokens,
      ...ours,
    })),
    ...EMBEDDING_MODELS.map(({ id, provider, ours }) => ({ id, provider, contextTokens: null, ...ours })),
  ];
  const ids = (models: readonly unknown[]) => models.map((model) => String(member(model, 'id'))).sort();
  found.equal(at, 'ids', ids(listed), ids(expected));
  for (const fact of expected) {
    const model = listed.find((candidate) => member(candidate, 'id') === fact.id);
    if (model === undefined) continue;
    found.equal(
      at,
      `members missing in ${fact.id}`,
      [...entry, 'created'].filter((name) => member(model, name) === undefined),
      [],
    );
    found.equal(at, `object of ${fact.id}`, member(model, 'object'), entryObject);
    found.equal(at, `owned_by of ${fact.id}`, member(model, 'owned_by'), fact.provider);
    if (fact.contextTokens !== null)
      found.equal(at, `context of ${fact.id}`, member(model, 'context_length'), fact.contextTokens);
    for (const side of ['input', 'output'] as const) {
      const price = String(member(model, 'pricing', side));
      const same = /^\d+(\.\d{1,9})?$/.test(price) && parseUsd(price) === parseUsd(fact[side]);
      found.holds('Models & Pricing', `${side} price of ${fact.id}`, same, price, fact[side]);
    }
  }
  const backed = listed.find((model) => member(model, 'id') === FAILOVER.model);
  found.equal(FAILOVER.at, `backup_channels of ${FAILOVER.model}`, member(backed, 'backup_channels'), 1);
};

const checkLimitHeaders = (found: Differences, what: string, answer: Answer, rpm: number): void => {
  const [limit, remaining, reset] = RATE_LIMIT_HEADERS.map(({ name }) => answer.headers.get(name));
  const { at } = RATE_LIMIT_HEADERS[0];
  found.equal(at, `X-RateLimit-Limit of ${what}`, limit, String(rpm));
  const left = Number(remaining ?? Number.NaN);
  found.holds(
    at,
    `X-RateLimit-Remaining of ${what}`,
    Number.isInteger(left) && left >= 0 && left <= rpm,
    remaining,
    `0 to ${rpm}`,
  );
  const aheadMs = Number(reset ?? Number.NaN) * 1_000 - Date.now();
  const soon = Number.isInteger(Number(reset)) && aheadMs >= -SKEW_MS && aheadMs <= RESET_MS_MAX + SKEW_MS;
  found.holds(at, `X-RateLimit-Reset of ${what}`, soon, reset, 'Unix seconds within the next minute');
  found.holds(
    'Error Codes',
    `x-request-id of ${what}`,
    answer.headers.has('x-request-id'),
    null,
    'always there',
  );
};

const quotaOf = (answer: Answer): readonly number[] =>
  QUOTA.members.map((name) => Number(member(answer.json, 'data', name)));

/**
 * The quota that went away and the quota that was used must both be what the answers said they cost. Each of the two
 * figures is rounded once before and once after, so each may be one unit off.
 */
const checkQuota = (found: Differences, before: Answer, after: Answer, spent: bigint): void => {
  const nanoPerUnit = (QUOTA.usd * 1_000_000_000n) / QUOTA.units;
  const units = Number(spent / nanoPerUnit);
  const [left, used] = quotaOf(before);
  const [leftAfter, usedAfter] = quotaOf(after);
  const fits = (change: number) => change === units || change === units + 1;
  found.holds(
    QUOTA.at,
    'decrease of quota',
    fits(left! - leftAfter!),
    left! - leftAfter!,
    `${units} or ${units + 1} units`,
  );
  found.holds(
    QUOTA.at,
    'increase of used_quota',
    fits(usedAfter! - used!),
    usedAfter! - used!,
    `${units} or ${units + 1} units`,
  );
};

/**
 * Compares a running platform with the product documentation (as the wire contract resolves it).
 *
 * Makes about 25 small inference calls, one after the other, and about 50 that are refused or only read; costs less
 * than a cent. The account must be active, within its tier's default limits with no traffic of its own, and have at
 * least $0.50 of credit.
 *
 * @param apiUrl base URL of the public API, with or without `/v1`
 * @returns one line per difference; empty if there is none
 */
export const checkPlatformFacts = async (apiUrl: string, apiKey: string): Promise<string[]> => {
  const client = new PlatformClient(apiUrl, apiKey);
  const found = new Differences();
  const self = await client.call({ path: '/api/user/self' });
  found.equal(QUOTA.at, 'status of /api/user/self', self.status, 200);
  if (self.status !== 200) return found.lines;
  found.equal(QUOTA.at, 'success', member(self.json, 'success'), true);
  const whole = quotaOf(self).every((figure) => Number.isSafeInteger(figure) && figure >= 0);
  found.holds(QUOTA.at, 'quota figures', whole, quotaOf(self), 'whole numbers');
  const tier = member(self.json, 'data', 'group') === 'paid' ? 'paid' : 'free';

  const list = await client.call({ path: '/v1/models' });
  checkModelList(found, list);
  checkLimitHeaders(found, 'GET /v1/models', list, LIMITS[tier].rpm);
  await probeErrors(client, found);
  const before = await client.call({ path: '/api/user/self' });
  found.equal('Error Codes', 'quota after refused requests', quotaOf(before), quotaOf(self));

  const answers = new AnswerProbe(client, found);
  checkLimitHeaders(found, 'POST /v1/chat/completions', await answers.run(), LIMITS[tier].rpm);
  checkQuota(found, before, await client.call({ path: '/api/user/self' }), answers.spent);
  return found.lines;
};
