import { describe, expect, it } from '@jest/globals';
import type { ChatRequest } from '@tunan/contracts';
import { testCatalog } from '../testing/catalog.js';
import { checkThinking } from './thinking.js';

const check = (model: string, members: Record<string, unknown>): void =>
  checkThinking({ model, messages: [], ...members } as ChatRequest, testCatalog.model(model)!, testCatalog);

describe('checkThinking', () => {
  const on = [
    { thinking: { type: 'enabled' } },
    { thinking: { type: 'enabled', budget_tokens: 1_024 } },
    { enable_thinking: true },
    { thinking_budget: 1_024 },
    { reasoning_effort: 'low' },
    { reasoning_effort: 'high' },
  ];
  const off = [
    { thinking: { type: 'disabled' } },
    { enable_thinking: false },
    { thinking_budget: 0 },
    { reasoning_effort: 'none' },
  ];

  it.each(on)(
    '%j: a model that never thinks refuses it and names one that does; the others take it',
    (wish) => {
      const param = Object.keys(wish)[0];
      expect(() => check('deepseek-chat', wish)).toThrow(
        expect.objectContaining({ code: 'invalid_value', param }),
      );
      expect(() => check('deepseek-chat', wish)).toThrow(/Use the model 'deepseek-reasoner'/);
      expect(() => check('minimax-m3', wish)).toThrow(/Use the model 'minimax-m2.5'/);
      expect(() => check('qwen3.5-flash', wish)).toThrow(/Use the model 'deepseek-reasoner'/);
      check('deepseek-reasoner', wish);
      check('glm-4-plus', wish);
    },
  );

  it.each(['extra_body', 'chat_template_kwargs'])('finds the wish below %s too', (nest) => {
    const nested = { [nest]: { enable_thinking: true } };
    expect(() => check('deepseek-chat', nested)).toThrow(
      expect.objectContaining({ code: 'invalid_value', param: `${nest}.enable_thinking` }),
    );
    check('deepseek-reasoner', nested);
  });

  it.each(off)(
    '%j: a model that always thinks refuses it and names one that does not; the others take it',
    (wish) => {
      const param = Object.keys(wish)[0];
      expect(() => check('deepseek-reasoner', wish)).toThrow(
        expect.objectContaining({ code: 'invalid_value', param }),
      );
      expect(() => check('deepseek-reasoner', wish)).toThrow(/Use the model 'deepseek-chat'/);
      expect(() => check('minimax-m2.5', wish)).toThrow(/Use the model 'minimax-m3'/);
      check('deepseek-chat', wish);
      check('glm-4-plus', wish);
    },
  );

  it.each([
    {},
    { thinking: null, enable_thinking: null, thinking_budget: null, reasoning_effort: null },
    { thinking: { type: 'auto' } },
    { reasoning_effort: 'minimal' },
  ])('%j asks for nothing', (wish) => {
    for (const model of ['deepseek-chat', 'deepseek-reasoner', 'glm-4-plus']) check(model, wish);
  });

  it.each([
    ['thinking', 'yes'],
    ['thinking', {}],
    ['thinking', { type: 'on' }],
    ['enable_thinking', 'true'],
    ['enable_thinking', 1],
    ['thinking_budget', -1],
    ['thinking_budget', '1024'],
    ['thinking_budget', 0.5],
  ])('refuses %s = %j', (param, value) => {
    expect(() => check('glm-4-plus', { [param]: value })).toThrow(
      expect.objectContaining({ code: 'invalid_value', param }),
    );
  });
});
