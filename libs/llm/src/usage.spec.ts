import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { reportedUsage } from '@tunan/contracts';
import { addUsage } from './chat.js';
import { readUsage } from './usage.js';

const details = (cached: unknown, reasoning: unknown) => ({
  prompt_tokens_details: { cached_tokens: cached },
  completion_tokens_details: { reasoning_tokens: reasoning },
});

describe('readUsage', () => {
  it.each([
    [
      'all counts',
      { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, ...details(4, 2) },
      [10, 4, 5, 2],
    ],
    ['no details', { prompt_tokens: 10, completion_tokens: 5 }, [10, 0, 5, 0]],
    ['null details', { prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: null }, [10, 0, 5, 0]],
    ['a prompt only', { prompt_tokens: 10, total_tokens: 10 }, [10, 0, 0, 0]],
    ['text', { prompt_tokens: '10', completion_tokens: '5' }, [10, 0, 5, 0]],
    ['explicit zeros', { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }, [0, 0, 0, 0]],
    [
      'more reasoning than completion',
      { prompt_tokens: 1, completion_tokens: 5, ...details(0, 9) },
      [1, 0, 5, 5],
    ],
  ])('reads %s', (_name, raw, [prompt, cachedPrompt, completion, reasoning]) => {
    expect(readUsage(raw)).toEqual({ prompt, cachedPrompt, completion, reasoning });
  });

  it.each([[null], [undefined], [{}], [{ total_tokens: 0, total_characters: 0 }]])(
    'takes %j for none',
    (raw) => {
      expect(readUsage(raw)).toBeNull();
    },
  );

  // Guarantee: what cannot be is marked, and no figure of it is below zero.
  it.each([
    [{ prompt_tokens: -1, completion_tokens: 5 }, [0, 0, 5, 0]],
    [{ prompt_tokens: 10, completion_tokens: -5 }, [10, 0, 0, 0]],
    [{ prompt_tokens: 10, completion_tokens: NaN }, [10, 0, 0, 0]],
    [{ prompt_tokens: 10, completion_tokens: 1.5 }, [10, 0, 1, 0]],
    [{ prompt_tokens: 10, completion_tokens: Infinity }, [10, 0, 2 ** 40, 0]],
    [{ prompt_tokens: 10, completion_tokens: 2 ** 53 }, [10, 0, 2 ** 40, 0]],
    [{ prompt_tokens: 10, completion_tokens: 'many' }, [10, 0, 0, 0]],
    [{ prompt_tokens: 10, completion_tokens: '-3' }, [10, 0, 0, 0]],
    [{ prompt_tokens: {}, completion_tokens: 1 }, [0, 0, 1, 0]],
    [{ prompt_tokens: 10, completion_tokens: 5, ...details(11, 0) }, [10, 10, 5, 0]],
    [{ prompt_tokens: 10, completion_tokens: 5, ...details(-1, 0) }, [10, 0, 5, 0]],
    [{ prompt_tokens: 10, completion_tokens: 5, ...details(0, -1) }, [10, 0, 5, 0]],
    ['ten', [0, 0, 0, 0]],
    [7, [0, 0, 0, 0]],
  ])('takes %j for impossible', (raw, [prompt, cachedPrompt, completion, reasoning]) => {
    expect(readUsage(raw)).toEqual({ prompt, cachedPrompt, completion, reasoning, impossible: true });
  });

  // Guarantee: the other completions of a request do not hide what one of them cannot have.
  it('is impossible in a sum, too', () => {
    const possible = readUsage({ prompt_tokens: 10, completion_tokens: 5 })!;
    const negative = readUsage({ prompt_tokens: 10, completion_tokens: -50 })!;
    const sum = { prompt: 20, cachedPrompt: 0, completion: 5, reasoning: 0, impossible: true };
    expect([addUsage(possible, negative), addUsage(negative, possible)]).toEqual([sum, sum]);
    expect(addUsage(possible, possible)).not.toHaveProperty('impossible');
  });

  // Guarantee: whatever a provider sends, settlement gets counts that it can price, marked if they are not what was sent.
  it('never yields a usage that the contract refuses', () => {
    const member = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.string(),
      fc.constant(null),
      fc.constant(undefined),
    );
    const raw = fc.record({
      prompt_tokens: member,
      completion_tokens: member,
      prompt_tokens_details: fc.oneof(fc.constant(null), fc.record({ cached_tokens: member })),
      completion_tokens_details: fc.oneof(fc.constant(null), fc.record({ reasoning_tokens: member })),
    });
    fc.assert(
      fc.property(fc.oneof(raw, fc.anything()), (given) => {
        const read = readUsage(given);
        if (read === null) return;
        expect(reportedUsage.parse(read)).toEqual(read);
        expect(read.cachedPrompt).toBeLessThanOrEqual(read.prompt);
        expect(read.reasoning).toBeLessThanOrEqual(read.completion);
      }),
    );
  });
});
