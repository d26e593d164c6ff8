import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PROVIDER_IDS, type ProviderId } from '@tunan/contracts';
import { DIALECTS } from '../providers/index.js';
import { json, ScriptedProvider, type Script } from '../testing/scripted-provider.js';
import { INFERRED_FACTS } from './inferred-facts.js';
import { LiveProvider } from './live-provider.js';

/** Answers that are about our key, our money, our rate or the provider's state, whatever was asked. */
const SAYS_NOTHING: readonly (readonly [string, Script])[] = [
  ['429', json(429, { error: { code: '1302', message: 'rate limit' } })],
  ['429 without money', json(429, { error: { code: '1113', message: 'insufficient balance (1008)' } })],
  ['401', json(401, { error: { code: 'invalid_api_key', message: 'Incorrect API key provided.' } })],
  ['402', json(402, { error: { message: 'Insufficient Balance' } })],
  ['400 in debt', json(400, { error: { code: 'Arrearage', message: 'Access denied' } })],
  ['403', json(403, { error: { code: 'AccessDenied', message: 'Access denied.' } })],
  ['500', json(500, { error: { code: 'InternalError', message: 'model, n, stop, temperature' } })],
  ['503', json(503, { error: { code: 'ModelUnavailable', message: 'try again' } })],
  ['a page', json(502, '<html>Bad gateway</html>')],
  ['nothing under 200', json(200, '')],
  ['nothing known under 200', json(200, {})],
  ['base_resp', json(200, { choices: null, base_resp: { status_code: 1008, status_msg: 'balance' } })],
];

describe('inferred facts', () => {
  let vendor: ScriptedProvider;
  beforeAll(async () => {
    vendor = await ScriptedProvider.listen();
  });
  afterAll(() => vendor.close());

  const live = (provider: ProviderId) =>
    new LiveProvider({ baseUrl: vendor.url, apiKey: 'k' }, DIALECTS[provider]);

  describe.each(PROVIDER_IDS)('of %s', (provider) => {
    // Guarantee: a check on a bad day says that it learned nothing. It once confirmed refusals and refuted answers by it.
    it.each(SAYS_NOTHING)('are left undecided by %s', async (_what, script) => {
      vendor.answers(script);
      const asked = live(provider);
      for (const { claim, probe } of INFERRED_FACTS[provider])
        if (!claim.includes('Retry-After'))
          expect([claim, await probe(asked)]).toEqual([claim, expect.any(String)]);
    });

    it.each([
      [{}, true],
      [{ 'retry-after': '7' }, false],
    ])('who is turned away with headers %j', async (headers, holds) => {
      vendor.answers(json(429, { error: { message: 'slow down' } }, headers));
      const asked = live(provider);
      const { claim, probe } = INFERRED_FACTS[provider].at(-1)!;
      expect(claim).toContain('Retry-After');
      expect(await probe(asked)).toEqual(expect.any(String));
      await asked.chat('any', 'Hello');
      expect(await probe(asked)).toBe(holds);
    });
  });

  const answer = (message: object) => json(200, { choices: [{ index: 0, message, finish_reason: 'stop' }] });
  const refused = (code: string, message: string) => json(400, { error: { code, message } });
  const said = answer({ content: 'Hi.' });

  it.each<readonly [ProviderId, string, Script, boolean]>([
    ['deepseek', 'the id deepseek-chat is retired', said, false],
    ['deepseek', 'the id deepseek-chat is retired', refused('', 'Model Not Exist'), true],
    ['deepseek', 'a blank stands in', refused('', 'The reasoning_content must be passed back'), false],
    ['qwen', 'qwen-coder-plus is served', said, true],
    [
      'qwen',
      'qwen-coder-plus is served',
      json(404, { error: { code: 'model_not_found', message: '' } }),
      false,
    ],
    ['qwen', 'qwen3.7-max takes no json_schema', said, false],
    ['qwen', 'embeddings come', json(200, { data: [{ embedding: 'AAAA' }] }), false],
    ['glm', 'glm-4-plus is served', refused('1211', '模型不存在'), false],
    ['glm', 'embeddings come', json(200, { data: [{ embedding: [1] }] }), true],
    ['glm', 'embeddings come', json(200, { data: [{ embedding: 'AAAA' }] }), false],
    ['glm', 'temperature 0', refused('1210', 'temperature'), false],
    ['minimax', 'response_format has no effect', said, true],
    ['minimax', 'response_format has no effect', answer({ content: '{"hi":1}' }), false],
    ['minimax', 'tool_choice has no effect', answer({ tool_calls: [{}] }), false],
    ['minimax', 'an unknown model', refused('', "invalid params, unknown model 'x' (2013)"), true],
    ['minimax', 'an unknown model', said, false],
    ['minimax', 'M2.x takes its thinking back', said, true],
    [
      'minimax',
      'M2.x takes its thinking back',
      refused('', 'invalid params, reasoning_details (2013)'),
      false,
    ],
    ['minimax', 'M2.x takes temperature 0', refused('', 'invalid params, temperature (2013)'), false],
  ])('%s: %s …', async (provider, beginning, script, holds) => {
    vendor.answers(script);
    const fact = INFERRED_FACTS[provider].find(({ claim }) => claim.startsWith(beginning))!;
    expect(await fact.probe(live(provider))).toBe(holds);
  });
});
