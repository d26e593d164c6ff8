import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ChatRequest } from '@tunan/contracts';
import {
  estimateInputs,
  estimatePrompt,
  estimateTokens,
  MILLITOKENS,
  millitokensOf,
  TokenMeter,
} from './token-estimate.js';

const NO_IMAGES = { imageTokens: 0, imageTokensMax: 0 };
const anyText = fc.string({ unit: 'binary', maxLength: 200 });
const chat = (
  content: ChatRequest['messages'][number]['content'],
  more: Partial<ChatRequest> = {},
): ChatRequest => ({
  model: 'm',
  messages: [{ role: 'user', content: content ?? null }],
  ...more,
});

describe('estimateTokens', () => {
  it.each([
    ['ASCII', 'a'.repeat(100), 24],
    ['long ASCII', 'a'.repeat(100_000), 24_000],
    ['Chinese', '漢'.repeat(100), 54],
    ['Cyrillic', 'ж'.repeat(100), 50],
    ['Thai', 'ก'.repeat(100), 100],
    ['emoji', '😀'.repeat(10), 20],
    ['nothing', '', 0],
  ])('counts %s by its factor', (_name, text, tokens) => {
    expect(estimateTokens(text)).toBe(tokens);
  });

  // Guarantee: metering does not depend on where a text is cut.
  it('adds up to the same wherever a text is cut', () => {
    fc.assert(
      fc.property(anyText, fc.nat(200), (text, cut) => {
        expect(millitokensOf(text.slice(0, cut)) + millitokensOf(text.slice(cut))).toBe(millitokensOf(text));
      }),
    );
  });

  // Guarantee: no estimate passes the bound of one token per byte, so the likely figure never exceeds the bound.
  it('never counts more than a token per byte of UTF-8', () => {
    fc.assert(
      fc.property(anyText, (text) =>
        expect(estimateTokens(text)).toBeLessThanOrEqual(Buffer.from(text.toWellFormed()).length),
      ),
    );
    expect(Math.max(...Object.values(MILLITOKENS))).toBeLessThanOrEqual(1_000);
  });
});

describe('estimatePrompt', () => {
  it('counts 8 tokens per message besides the text', () => {
    expect(estimatePrompt(chat('a'.repeat(100)), NO_IMAGES).likely).toBe(32);
  });

  // Guarantee: an image costs what its model makes of it, so a megabyte of base64 is not a megabyte of prompt.
  it('counts an image by its model and never by its length', () => {
    const request = chat([
      { type: 'text', text: 'a'.repeat(100) },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(1_000_000)}` } },
    ]);
    const estimate = estimatePrompt(request, { imageTokens: 1_000, imageTokensMax: 16_000 });
    expect(estimate.likely).toBe(1_032);
    expect(estimate.bound).toBeGreaterThan(16_100);
    expect(estimate.bound).toBeLessThan(18_000);
  });

  it('counts tools, schemas, tool calls and reasoning', () => {
    const bare = estimatePrompt(chat('hi'), NO_IMAGES).likely;
    const tool = { type: 'function', function: { name: 'f', parameters: { type: 'object' } } } as const;
    expect(estimatePrompt(chat('hi', { tools: [tool] }), NO_IMAGES).likely).toBeGreaterThan(bare + 10);
    const format = { type: 'json_schema', json_schema: { schema: { type: 'object' } } };
    expect(estimatePrompt(chat('hi', { response_format: format }), NO_IMAGES).likely).toBeGreaterThan(
      bare + 5,
    );
    const call = {
      id: 'c',
      type: 'function',
      function: { name: 'f', arguments: '{"a":"long enough"}' },
    } as const;
    const message = {
      role: 'assistant',
      content: 'hi',
      tool_calls: [call],
      reasoning_content: 'a'.repeat(100),
    } as const;
    expect(estimatePrompt({ model: 'm', messages: [message] }, NO_IMAGES).likely).toBeGreaterThan(bare + 40);
  });

  it('counts a refusal where it stands in for the content', () => {
    const estimate = (content: string | null, refusal: string | null) =>
      estimatePrompt({ model: 'm', messages: [{ role: 'assistant', content, refusal }] }, NO_IMAGES);
    expect(estimate(null, 'a'.repeat(100))).toEqual(estimate('a'.repeat(100), null));
  });

  // Guarantee: `bound` is at least one token per byte of everything the model reads.
  it('bounds every tokenizer that makes at most one token of a byte', () => {
    const message = fc.record({ role: fc.constant('user' as const), content: anyText, name: anyText });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
        const { likely, bound } = estimatePrompt({ model: 'm', messages }, NO_IMAGES);
        const bytes = messages.reduce(
          (sum, { content, name }) => sum + Buffer.byteLength(content) + Buffer.byteLength(name),
          0,
        );
        expect(bound).toBeGreaterThanOrEqual(bytes + 16 * messages.length);
        expect(likely).toBeLessThanOrEqual(bound);
      }),
    );
  });
});

describe('estimateInputs', () => {
  it('counts every input', () => {
    expect(estimateInputs({ model: 'm', input: ['a'.repeat(100), '漢'.repeat(100)] }).likely).toBe(78);
    expect(estimateInputs({ model: 'm', input: 'a'.repeat(100) }).likely).toBe(24);
  });
});

describe('TokenMeter', () => {
  it('reports whole tokens whose sum is the estimate of the whole text', () => {
    fc.assert(
      fc.property(fc.array(anyText), (pieces) => {
        const meter = new TokenMeter();
        const reported = pieces.reduce((sum, piece) => {
          meter.add(piece);
          return sum + meter.take();
        }, 0);
        expect(reported).toBe(meter.tokens);
        expect(reported).toBe(
          Math.ceil(pieces.reduce((sum, piece) => sum + millitokensOf(piece), 0) / 1_000),
        );
      }),
    );
  });
});
