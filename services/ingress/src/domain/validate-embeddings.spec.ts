import { describe, expect, it } from '@jest/globals';
import { cl100kBase } from '../cl100k-base.js';
import { testCatalog } from '../testing/catalog.js';
import { hasTokenIds, toTexts, validateEmbeddings } from './validate-embeddings.js';

const model = testCatalog.model('text-embedding-v3')!;
const read = async (body: Record<string, unknown>) => {
  const input = validateEmbeddings(body, model);
  return toTexts(body, input, model, hasTokenIds(input) ? await cl100kBase() : undefined).input;
};

describe('embeddings input', () => {
  it('is taken as texts', async () => {
    expect(await read({ input: 'Hello world' })).toBe('Hello world');
    expect(await read({ input: ['a', 'b'], encoding_format: 'base64', dimensions: 512 })).toEqual(['a', 'b']);
    expect(await read({ input: Array(2_048).fill('a') })).toHaveLength(2_048);
  });

  // The ids are those that tiktoken gives for these texts in cl100k_base.
  it('is decoded from token ids of cl100k_base', async () => {
    expect(await read({ input: [9906, 1917] })).toBe('Hello world');
    expect(
      await read({
        input: [
          [9906, 1917],
          [57668, 53901],
        ],
      }),
    ).toEqual(['Hello world', '你好']);
    expect(await read({ input: [100257] })).toBe('<|endoftext|>');
  });

  it.each([
    [undefined, 'input', 'missing_required_parameter'],
    [null, 'input', 'missing_required_parameter'],
    ['', 'input'],
    [[], 'input'],
    [5, 'input'],
    [{}, 'input'],
    [['a', ''], 'input[1]'],
    [['a', 5], 'input[1]'],
    [['a', ['b']], 'input[1]'],
    [['a\u0000'], 'input[0]'],
    [Array(2_049).fill('a'), 'input'],
    [[[]], 'input[0]'],
    [[[1], []], 'input[1]'],
    [[[1], 'a'], 'input[1]'],
    [[1, -1], 'input[1]'],
    [[1, 1.5], 'input[1]'],
    [[1, '2'], 'input[1]'],
    [[1, 100_300], 'input[1]'],
    [
      [
        [1, 2],
        [3, 1e9],
      ],
      'input[1][1]',
    ],
    [Array(20_000).fill(-1), 'input', 'context_length_exceeded'],
    [[[1], Array(20_000).fill(-1)], 'input[1]', 'context_length_exceeded'],
    [Array.from({ length: 40 }, () => Array(8_000).fill(-1)), 'input', 'context_length_exceeded'],
    [['ok', 'x'.repeat(60_000)], 'input[1]', 'context_length_exceeded'],
    ['x'.repeat(60_000), 'input', 'context_length_exceeded'],
  ])('refuses wrong input %# and names the member', async (input, param, code = 'invalid_value') => {
    await expect(read({ input })).rejects.toMatchObject({ code, param });
  });

  it.each([
    ['dimensions', 1_023],
    ['dimensions', '512'],
    ['dimensions', -1],
    ['encoding_format', 'hex'],
    ['user', 5],
  ])('refuses %s = %j, and says what there is', async (param, value) => {
    await expect(read({ input: 'a', [param]: value })).rejects.toMatchObject({
      code: 'invalid_value',
      param,
    });
  });

  it('says which dimensions the model has', async () => {
    await expect(read({ input: 'a', dimensions: 7 })).rejects.toThrow(/1024, 512/);
  });
});
