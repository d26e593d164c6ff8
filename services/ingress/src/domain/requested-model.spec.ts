import { describe, expect, it } from '@jest/globals';
import type { Principal } from '@tunan/contracts';
import { testCatalog } from '../testing/catalog.js';
import { requestedModel } from './requested-model.js';

const principal: Principal = { accountId: 'a', keyId: 'k', tier: 'free', models: null, aliases: true };
const ask = (name: unknown, changes: Partial<Principal> = {}, kind: 'chat' | 'embedding' = 'chat') =>
  requestedModel(name, kind, { ...principal, ...changes }, testCatalog);

describe('requestedModel', () => {
  it.each([
    ['gpt-4o', 'deepseek-chat'],
    ['gpt-4o-2024-08-06', 'deepseek-chat'],
    ['GPT-4o', 'deepseek-chat'],
    ['openai/gpt-4o', 'deepseek-chat'],
    ['openai/deepseek-chat', 'deepseek-chat'],
    ['deepseek/DeepSeek-Reasoner', 'deepseek-reasoner'],
    ['MiniMax-M2.5', 'minimax-m2.5'],
    ['MiniMax/minimax-m3', 'minimax-m3'],
  ])('takes %s for %s, and says so', (name, id) => {
    expect(ask(name)).toMatchObject({ model: { id }, alias: name });
  });

  it('takes a public id as it is', () => {
    expect(ask('deepseek-chat')).toMatchObject({ model: { id: 'deepseek-chat' }, alias: undefined });
  });

  it('knows no alias where the account or the key refuses them', () => {
    for (const name of ['gpt-4o', 'openai/deepseek-chat', 'Deepseek-Chat'])
      expect(() => ask(name, { aliases: false })).toThrow(/does not exist/);
    expect(ask('deepseek-chat', { aliases: false }).model.id).toBe('deepseek-chat');
  });

  it.each([
    'constructor',
    '__proto__',
    'openai/',
    'openai/openai/gpt-4o',
    '../deepseek-chat',
    'dеepseek-chat',
    'deepsee\u212a-chat',
    'x'.repeat(10_000),
  ])('does not know name %#', (name) => {
    expect(() => ask(name)).toThrow(expect.objectContaining({ code: 'model_not_found', param: 'model' }));
  });

  it('has no embedding model for a chat, no chat model for an embedding, and no alias for either', () => {
    for (const [name, kind, message] of [
      ['text-embedding-v3', 'chat', "'text-embedding-v3' is of another kind: embedding, not chat."],
      ['deepseek-chat', 'embedding', "'deepseek-chat' is of another kind: chat, not embedding."],
      ['gpt-4o', 'embedding', "'gpt-4o' is of another kind: chat, not embedding."],
    ] as const)
      expect(() => ask(name, {}, kind)).toThrow(
        expect.objectContaining({ code: 'model_not_found', message: expect.stringContaining(message) }),
      );
    expect(() => ask('deepseek-chat', { models: ['text-embedding-v3'] }, 'embedding')).toThrow(
      /does not exist/,
    );
    expect(() => ask('openai/text-embedding-v3', {}, 'embedding')).toThrow(/does not exist/);
  });

  it('names the nearest model, of those that the key may use', () => {
    for (const [name, models, nearest] of [
      ['deepseek-chta', null, 'deepseek-chat'],
      ['deepseek-chta', ['qwen3.5-flash'], 'qwen3.5-flash'],
      ['deepseek', null, 'deepseek-chat'],
    ] as const)
      expect(() => ask(name, { models: models && [...models] })).toThrow(
        `access to it. The nearest id is '${nearest}'. GET /v1/models`,
      );
  });

  it('names none to a key that may use none of the kind', () => {
    expect(() => ask('nope', { models: ['text-embedding-v3'] })).toThrow('access to it. GET /v1/models');
  });

  it.each(['gpt-4o', 'GPT-4o', 'openai/gpt-4o', 'DeepSeek-Chat'])(
    'does not know %s for a key whose aliases are off, and names the public id',
    (name) => {
      expect(() => ask(name, { aliases: false })).toThrow(
        expect.objectContaining({
          code: 'model_not_found',
          message: expect.stringContaining("'deepseek-chat'"),
        }),
      );
      expect(ask('deepseek-chat', { aliases: false }).model.id).toBe('deepseek-chat');
    },
  );

  it('refuses a model that the key may not use, by whatever name', () => {
    for (const name of ['deepseek-chat', 'gpt-4o'])
      expect(() => ask(name, { models: ['qwen3.5-flash'] })).toThrow(
        expect.objectContaining({ code: 'model_not_allowed', param: 'model' }),
      );
    expect(ask('gpt-4o', { models: ['deepseek-chat'] }).model.id).toBe('deepseek-chat');
  });

  it.each([
    [undefined, 'missing_required_parameter'],
    [null, 'missing_required_parameter'],
    ['', 'invalid_value'],
    [5, 'invalid_value'],
    [['deepseek-chat'], 'invalid_value'],
  ])('refuses %p as a name', (name, code) => {
    expect(() => ask(name)).toThrow(expect.objectContaining({ code, param: 'model' }));
  });
});
