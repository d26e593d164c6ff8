import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newCustomer, type Customer } from '../contract/customer.js';
import { startAll, type Platform } from '../e2e/topology.js';
import { chat } from './front-door.js';
import { newNonce, script } from './upstream-calls.js';

/** How each provider says that our credit is used up, and a model that only it serves. */
const MONEY = [
  ['deepseek', 'error:402', 'deepseek-reasoner'],
  ['qwen', 'error:Arrearage', 'qwen3.7-max'],
  ['glm', 'error:1113', 'glm-4-plus'],
  ['minimax', 'error:1008', 'minimax-m3'],
] as const;

const OURS_TO_KNOW = /\b(?:402|1113|1008)\b|arrear|balance|insufficient|余额|good standing|top up/i;

/** What we owe a provider is never shown as the customer's debt. */
describe('providers without money', () => {
  let platform: Platform;
  let customer: Customer;

  beforeAll(async () => {
    platform = await startAll();
    customer = await newCustomer(platform);
  }, 180_000);
  afterAll(() => platform.stop(), 60_000);

  const ask = (model: string, nonce: string, stream: boolean) =>
    chat(platform, customer.apiKey, {
      model,
      stream,
      messages: [{ role: 'user', content: `[[sim nonce=${nonce}]] Hello` }],
    });

  // First: afterwards DeepSeek's credential is left alone.
  it('deepseek-chat goes on to its backup', async () => {
    const nonce = newNonce();
    await script(platform, { provider: 'deepseek', nonce }, { fault: 'error:402' });
    const answer = await ask('deepseek-chat', nonce, false);
    expect([answer.status, answer.headers.get('x-tunan-fallback')]).toEqual([200, 'true']);
    expect(answer.text).not.toMatch(/insufficient balance/i);
  });

  it.each(MONEY)('%s: %s is never shown', async (provider, fault, model) => {
    await script(platform, { provider }, { fault });
    // The first call meets the provider, the others the credential that is left alone.
    for (const stream of [true, false, false]) {
      const answer = await ask(model, newNonce(), stream);
      expect([answer.status, answer.body?.error?.type, answer.body?.error?.code]).toEqual([
        503,
        'api_error',
        'upstream_unavailable',
      ]);
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(answer.body!.error!.message).not.toMatch(OURS_TO_KNOW);
    }
  });
});
