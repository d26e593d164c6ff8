import { describe, expect, it } from '@jest/globals';
import type { Exchange } from '@tunan/contracts';
import { aChannel } from '../testing/a-catalog.js';
import { ableChannels } from './able-channels.js';

const DEEPSEEK = aChannel();
const QWEN = aChannel({ id: 'deepseek-chat.qwen', provider: 'qwen', upstreamModel: 'qwen3.7-plus' });

const able = (members: Record<string, unknown>, strictParameters = false) =>
  ableChannels([DEEPSEEK, QWEN], {
    operation: 'chat',
    body: { model: 'deepseek-chat', messages: [], ...members },
    strictParameters,
  } as unknown as Exchange).map(({ provider }) => provider);

describe('ableChannels', () => {
  it.each([
    [{}, false, ['deepseek', 'qwen']],
    [{ temperature: 2 }, false, ['deepseek', 'qwen']],
    [{ temperature: 2 }, true, ['deepseek']],
    [{ presence_penalty: 1 }, true, ['qwen']],
    [{ logprobs: true }, false, ['deepseek']],
  ])('for %j, strict %s: %j', (members, strict, providers) => {
    expect(able(members, strict)).toEqual(providers);
  });

  it('leaves the refusal to a connector where no channel is able', () => {
    expect(able({ logit_bias: { 1: 2 } })).toEqual(['deepseek', 'qwen']);
  });

  it('does not judge embeddings', () => {
    const exchange = { operation: 'embeddings', body: { model: 'x', input: 'a', logit_bias: { 1: 1 } } };
    expect(ableChannels([DEEPSEEK, QWEN], exchange as unknown as Exchange)).toHaveLength(2);
  });
});
