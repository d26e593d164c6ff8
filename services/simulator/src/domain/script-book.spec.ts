import { describe, expect, it } from '@jest/globals';
import { BehaviourError } from './behaviour.js';
import { ScriptBook, type CallFacts } from './script-book.js';

const facts = (changes: Partial<CallFacts> = {}): CallFacts => ({
  provider: 'qwen',
  operation: 'chat',
  model: 'm',
  nonce: undefined,
  key: 'sim-a',
  ...changes,
});

describe('ScriptBook', () => {
  it('applies the first script that fits every criterion, alone', () => {
    const book = new ScriptBook();
    book.add({ match: { provider: 'glm' }, behaviour: { tokens: 1 } });
    const second = book.add({ match: { model: 'm', key: 'sim-a' }, behaviour: { tokens: 2 } });
    book.add({ behaviour: { tokens: 3 } });
    expect(book.take(facts())?.id).toBe(second.id);
    expect(book.take(facts({ key: 'sim-b' }))?.behaviour).toEqual({ tokens: 3 });
  });

  it('applies as often as it says, then lets later scripts apply', () => {
    const book = new ScriptBook();
    book.add({ match: { times: 2 }, behaviour: { fault: 'reset' } });
    expect([1, 2, 3].map(() => book.take(facts()) !== undefined)).toEqual([true, true, false]);
  });

  it('applies to every n-th call', () => {
    const book = new ScriptBook();
    book.add({ match: { every: 3 }, behaviour: {} });
    expect(Array.from({ length: 7 }, () => book.take(facts()) !== undefined)).toEqual([
      true,
      false,
      false,
      true,
      false,
      false,
      true,
    ]);
  });

  it('leaves lists of models and balances alone unless it names them', () => {
    const book = new ScriptBook();
    book.add({ behaviour: {} });
    expect(book.take(facts({ operation: 'balance' }))).toBeUndefined();
    book.add({ match: { operation: 'balance' }, behaviour: {} });
    expect(book.take(facts({ operation: 'balance' }))).toBeDefined();
  });

  it('refuses scripts that mean nothing, and more than a thousand that still apply', () => {
    const book = new ScriptBook();
    expect(() => book.add({ behaviour: { nonsense: 1 } })).toThrow(BehaviourError);
    expect(() => book.add({ match: { provider: 'openai' }, behaviour: {} })).toThrow(BehaviourError);
    for (let i = 0; i < 1_000; i += 1) book.add({ match: { times: 1 }, behaviour: {} });
    expect(() => book.add({ behaviour: {} })).toThrow(/at most 1000/);
    book.take(facts());
    expect(() => book.add({ behaviour: {} })).not.toThrow();
  });

  it('removes one script or all', () => {
    const book = new ScriptBook();
    const { id } = book.add({ behaviour: {} });
    book.add({ behaviour: {} });
    expect([book.remove(id), book.remove(), book.all.length]).toEqual([1, 1, 0]);
  });
});
