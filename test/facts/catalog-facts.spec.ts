import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { catalog, type Catalog, type CatalogWire } from '@tunan/contracts';
import { parse } from 'yaml';
import { catalogDifferences } from './catalog-differences.js';
import { DEVIATIONS } from './deviations.js';
import * as facts from './seed-facts.js';

const file = new URL('../../deploy/catalog.yaml', import.meta.url);
const read = (): CatalogWire => parse(readFileSync(file, 'utf8')) as CatalogWire;
const seeded = (): Catalog => catalog.parse(read());
const changed = (change: (wire: CatalogWire) => void): string[] => {
  const wire = read();
  change(wire);
  return catalogDifferences(catalog.parse(wire));
};
const modelOf = (wire: CatalogWire, id: string) => wire.models.find((model) => model.id === id)!;

describe('deploy/catalog.yaml', () => {
  // Guarantee: what the product documentation states is what a new installation sells, nothing less and nothing more.
  it('is what the product documentation says', () => {
    expect(catalogDifferences(seeded())).toEqual([]);
  });

  // Guarantee: the comparison can fail, in each direction and for each kind of fact.
  it.each<[string, (wire: CatalogWire) => void, string]>([
    [
      'a changed price',
      (wire) => void (modelOf(wire, 'qwen3.7-max').price.output = '5.41'),
      'model qwen3.7-max',
    ],
    ['a price of ours', (wire) => void (modelOf(wire, 'glm-4v').price.input = '0.44'), 'model glm-4v'],
    [
      'a changed context',
      (wire) => void (modelOf(wire, 'minimax-m3').contextTokens = 1_048_576),
      'model minimax-m3',
    ],
    [
      'another vector length',
      (wire) => void (modelOf(wire, 'embedding-3').dimensions = [1024]),
      'model embedding-3',
    ],
    [
      'vision on a text model',
      (wire) => void modelOf(wire, 'deepseek-chat').capabilities!.push('vision'),
      'model deepseek-chat',
    ],
    [
      'an extra model',
      (wire) => {
        wire.models.push({ ...modelOf(wire, 'glm-4-plus'), id: 'glm-5' });
        wire.channels.push({ id: 'glm-5.glm', model: 'glm-5', provider: 'glm', upstreamModel: 'glm-5' });
      },
      'model glm-5: not documented',
    ],
    [
      'a missing model',
      (wire) => {
        wire.models = wire.models.filter((model) => model.id !== 'qwen-math-plus');
        wire.channels = wire.channels.filter((channel) => channel.model !== 'qwen-math-plus');
      },
      'model qwen-math-plus: missing',
    ],
    [
      'no backup',
      (wire) => void (wire.channels = wire.channels.filter(({ id }) => id !== 'deepseek-chat.qwen')),
      'channels of deepseek-chat',
    ],
    [
      'a backup before the primary',
      (wire) => void (wire.channels.find(({ id }) => id === 'deepseek-chat.qwen')!.priority = 200),
      'channels of deepseek-chat',
    ],
    [
      'an extra alias',
      (wire) => void (wire.aliases['gpt-5'] = 'deepseek-chat'),
      'alias gpt-5: not documented',
    ],
    ['a bent alias', (wire) => void (wire.aliases['o1'] = 'deepseek-chat'), 'alias o1'],
    ['a tier limit', (wire) => void (wire.tiers.free.concurrency = 6), 'tier free'],
    ['the sign-up grant', (wire) => void (wire.signupGrant = '5.00'), 'sign-up grant'],
    ['a bonus', (wire) => void (wire.topUps[1]!.credits = '22.00'), 'top-up Growth'],
    [
      'a new loss',
      (wire) => void (wire.channels.find(({ id }) => id === 'glm-4-plus.glm')!.cost!.input = '2.00'),
      'below cost: glm-4-plus input',
    ],
  ])('would not pass with %s', (_name, change, difference) => {
    expect(changed(change)).toEqual(expect.arrayContaining([expect.stringContaining(difference)]));
  });

  // Guarantee: the names that providers accept, with the switch that gives the mode which the price is for.
  it('serves each model by the upstream model that replaced or is it', () => {
    const channels = seeded().channels.map((channel) => [
      channel.model,
      channel.provider,
      channel.upstreamModel,
      channel.thinking,
    ]);
    expect(channels).toEqual([
      ['deepseek-chat', 'deepseek', 'deepseek-flash', false],
      ['deepseek-chat', 'qwen', 'qwen3.7-plus', false],
      ['deepseek-reasoner', 'deepseek', 'deepseek-flash', true],
      ['qwen3.7-max', 'qwen', 'qwen3.7-max', false],
      ['minimax-m3', 'minimax', 'MiniMax-M3', false],
      ['qwen3.5-flash', 'qwen', 'qwen3.5-flash', false],
      ['glm-4-flash', 'glm', 'glm-4-flash-250414', null],
      ['qwen3.7-plus', 'qwen', 'qwen3.7-plus', false],
      ['glm-4-plus', 'glm', 'glm-4-plus', null],
      ['minimax-m2.5', 'minimax', 'MiniMax-M2.5', null],
      ['minimax-m2.7', 'minimax', 'MiniMax-M2.7', null],
      ['qwen-coder-plus', 'qwen', 'qwen-coder-plus', null],
      ['qwen-math-plus', 'qwen', 'qwen-math-plus', null],
      ['qwen-vl-max', 'qwen', 'qwen3.7-plus', false],
      ['qwen-vl-plus', 'qwen', 'qwen3.5-flash', false],
      ['glm-4v', 'glm', 'glm-4v-plus-0111', null],
      ['text-embedding-v3', 'qwen', 'text-embedding-v3', null],
      ['embedding-3', 'glm', 'embedding-3', null],
    ]);
  });

  it('drains streams of the providers that bill after a cancel, and waits longer for models that think', () => {
    const { channels, models } = seeded();
    const thinkers = models.filter((model) => model.thinking === 'always').map((model) => model.id);
    expect(thinkers).toEqual(['deepseek-reasoner', 'minimax-m2.5', 'minimax-m2.7']);
    for (const channel of channels) {
      expect([channel.id, channel.billsAfterCancel]).toEqual([
        channel.id,
        ['qwen', 'minimax'].includes(channel.provider),
      ]);
      expect([channel.id, channel.timeouts.unaryFirstByteMs]).toEqual([
        channel.id,
        thinkers.includes(channel.model) ? 600_000 : 120_000,
      ]);
    }
  });

  // An unstreamed answer of Model Studio is cut after 300 s without an error.
  it('has Qwen stream every answer that could take it five minutes', () => {
    for (const channel of seeded().channels.filter(
      ({ provider, model }) => provider === 'qwen' && !model.startsWith('text-embedding'),
    ))
      expect([channel.id, channel.unstreamedTokensMax / 30 < 300 / 2]).toEqual([channel.id, true]);
  });

  it('keeps every price of ours 30 % above the known cost', () => {
    const { channels, models } = seeded();
    const ours = [...facts.VISION_MODELS, ...facts.EMBEDDING_MODELS].map((fact) => fact.id);
    for (const channel of channels.filter(({ model, cost }) => ours.includes(model) && cost !== undefined)) {
      const { price } = models.find((model) => model.id === channel.model)!;
      for (const side of ['input', 'output'] as const)
        expect([channel.id, side, price[side] * 100n >= channel.cost![side] * 130n]).toEqual([
          channel.id,
          side,
          true,
        ]);
    }
  });

  it('gives every chat model a default ceiling that fits its limit and its window', () => {
    for (const model of seeded().models) {
      const { id, kind, outputTokensDefault, outputTokensMax, contextTokens } = model;
      const fits =
        kind === 'embedding'
          ? outputTokensMax === 0
          : outputTokensDefault > 0 && outputTokensDefault <= outputTokensMax;
      expect([id, fits && outputTokensMax < contextTokens]).toEqual([id, true]);
      expect([id, model.imageTokens > 0 && model.imageTokensMax >= model.imageTokens]).toEqual([
        id,
        model.capabilities.includes('vision'),
      ]);
    }
  });

  it('takes the provider prefixes that frameworks write', () => {
    expect(seeded().aliasPrefixes).toEqual(['openai/', 'deepseek/', 'qwen/', 'zhipu/', 'glm/', 'minimax/']);
  });

  it('survives the round trip through its wire form', () => {
    expect(catalog.parse(JSON.parse(JSON.stringify(catalog.encode(seeded()))))).toEqual(seeded());
  });
});

describe('the list of deviations', () => {
  it('names each once and gives a reason', () => {
    expect(new Set(DEVIATIONS.map(({ id }) => id)).size).toBe(DEVIATIONS.length);
    expect(
      DEVIATIONS.filter(({ at, says, does, reason }) =>
        [at, says, does, reason].some((text) => text.length < 6),
      ),
    ).toEqual([]);
  });
});
