import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Exchange } from '@tunan/contracts';
import { aTarget, anExchange } from '../testing/exchanges.js';
import { json } from '../testing/scripted-provider.js';
import { faultOf, ScriptedStages } from '../testing/scripted-stage.js';

describe('embeddings', () => {
  let stages: ScriptedStages;

  beforeAll(async () => {
    stages = await ScriptedStages.open();
  });
  afterEach(() => stages.disconnect());
  afterAll(() => stages.close());

  const request = (input: string | string[], format?: 'float' | 'base64'): Exchange =>
    anExchange({
      operation: 'embeddings',
      stream: false,
      body: {
        model: 'text-embedding-v3',
        input,
        ...(format === undefined ? {} : { encoding_format: format }),
      },
      target: aTarget({ provider: 'qwen', upstreamModel: 'text-embedding-v3' }),
    });
  const vectorsOf = (inputs: readonly string[]) =>
    inputs.map((text, index) => ({ object: 'embedding', index, embedding: [text.length, 0.5] }));
  const vectors = (response: Parameters<ReturnType<typeof json>>[0], body: Record<string, unknown>) => {
    const data = vectorsOf(body['input'] as string[]);
    return json(200, {
      data: data.toReversed(),
      usage: { prompt_tokens: data.length, total_tokens: data.length },
    })(response, undefined as never);
  };

  it('joins batches in the order of the inputs and sums their usage', async () => {
    stages.vendor.answers((response, call) => vectors(response, call.body));
    const inputs = Array.from({ length: 25 }, (_, index) => 'x'.repeat(index + 1));
    const reply = await stages.stage('qwen').handle(request(inputs));
    if (reply.kind !== 'unary') throw new Error('not unary');
    // One piece for each batch: none of them waits for another to be written.
    expect(reply.head).toHaveLength(3);
    const answer = JSON.parse(Buffer.concat([...(reply.head ?? []), reply.body]).toString()) as {
      data: { index: number; embedding: number[] }[];
      usage: object;
    };
    expect(answer.data.map(({ index, embedding }) => [index, embedding[0]])).toEqual(
      inputs.map((text, index) => [index, text.length]),
    );
    expect(
      stages.vendor.calls.map((call) => (call.body['input'] as string[]).length).toSorted((a, b) => a - b),
    ).toEqual([5, 10, 10]);
    expect(answer.usage).toEqual({ prompt_tokens: 25, total_tokens: 25 });
    expect(reply.usage?.prompt).toBe(25);
  });

  it('writes little-endian float32 as base64', async () => {
    stages.vendor.answers((response, call) => vectors(response, call.body));
    const reply = await stages.stage('qwen').handle(request('hello', 'base64'));
    if (reply.kind !== 'unary') throw new Error('not unary');
    const answer = JSON.parse(Buffer.concat([...(reply.head ?? []), reply.body]).toString()) as {
      data: { embedding: string }[];
    };
    const bytes = Buffer.from(answer.data[0]!.embedding, 'base64');
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual([5, 0.5]);
  });

  const QWEN_LENGTH = {
    error: {
      message: '<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 8192]',
      type: 'invalid_request_error',
      code: 'invalid_parameter_error',
    },
  };
  const GLM_LENGTH = { error: { code: '1261', message: 'Prompt 超长' } };
  it.each([
    ['qwen', QWEN_LENGTH, ['x'.repeat(50_000)], 'input[0]'],
    ['glm', GLM_LENGTH, ['x'.repeat(50_000)], 'input[0]'],
    ['glm', GLM_LENGTH, 'x'.repeat(50_000), 'input'],
    // Not the one with the most characters: the one with the most tokens.
    ['qwen', QWEN_LENGTH, ['a', 'x'.repeat(5_000), '漢'.repeat(4_900), 'b'], 'input[2]'],
    ['qwen', QWEN_LENGTH, [...Array<string>(10).fill('a'), 'b', 'long'], 'input[11]'],
  ] as const)('that %s finds too long are told by the input', async (provider, error, inputs, param) => {
    stages.vendor.answers((response, call) =>
      (call.body['input'] as string[]).some((text) => text.length > 1)
        ? json(400, error)(response, call)
        : vectors(response, call.body),
    );
    const target = aTarget({ provider });
    const fault = await faultOf(
      stages
        .stage(provider)
        .handle({ ...request(typeof inputs === 'string' ? inputs : [...inputs]), target }),
    );
    expect(fault).toMatchObject({
      code: 'context_length_exceeded',
      param,
      publicMessage: `'${param}' is longer than the model accepts.`,
    });
  });

  // Guarantee: one batch with impossible usage makes the sum impossible; no batch lowers what another used.
  it('marks impossible usage', async () => {
    stages.vendor.answers((response, call) => {
      const inputs = call.body['input'] as string[];
      const usage = { prompt_tokens: inputs.length === 1 ? -20 : 30 };
      return json(200, { data: vectorsOf(inputs), usage })(response, call);
    });
    const reply = await stages.stage('qwen').handle(request(Array.from({ length: 11 }, () => 'a')));
    if (reply.kind !== 'unary') throw new Error('not unary');
    expect(reply.usage).toEqual({
      prompt: 30,
      cachedPrompt: 0,
      completion: 0,
      reasoning: 0,
      impossible: true,
    });
  });

  it('rejects an answer that lacks a vector', async () => {
    stages.vendor.answers(json(200, { data: [], usage: { prompt_tokens: 1 } }));
    expect(await faultOf(stages.stage('qwen').handle(request(['a', 'b'])))).toMatchObject({
      code: 'upstream_error',
    });
  });
});
