import { describe, expect, it } from '@jest/globals';
import type { ProviderId } from '@tunan/contracts';
import { Fault, type FaultCode } from '@tunan/kernel';
import { DIALECTS } from '../providers/index.js';
import { USAGE } from '../testing/chunks.js';
import { decodeAnswer, readAnswerJson } from './decode-answer.js';

const calls = { callsMax: 128, newId: (index: number) => `made_${index}` };
const bytes = (body: object | string): Buffer =>
  Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
const decode = (provider: ProviderId, body: object | string) =>
  decodeAnswer(DIALECTS[provider], bytes(body), calls);
const whole = (message: object, finish: string | null = 'stop', more: object = {}) => ({
  choices: [{ index: 0, message, finish_reason: finish }],
  usage: USAGE,
  ...more,
});
const codeOf = (read: () => unknown): FaultCode => {
  try {
    read();
  } catch (error) {
    return Fault.from(error).code;
  }
  throw new Error('expected a fault');
};

describe('decodeAnswer', () => {
  it('reads what was said, thought and used', () => {
    const { answer, usage, impossibleUsage } = decode(
      'deepseek',
      whole({ role: 'assistant', content: 'Hi', reasoning_content: 'hm' }),
    );
    expect(answer).toEqual({
      content: 'Hi',
      reasoning: 'hm',
      refusal: '',
      toolCalls: [],
      logprobs: null,
      finishReason: 'stop',
    });
    expect(usage).toMatchObject({ prompt: 9, cachedPrompt: 4, completion: 2 });
    expect(impossibleUsage).toBeUndefined();
  });

  it('takes null, a missing member and what is no text for nothing said', () => {
    for (const message of [{ content: null }, {}, { content: 7, reasoning_content: null }])
      expect(decode('qwen', whole(message)).answer).toMatchObject({ content: '', reasoning: '' });
  });

  it.each<[ProviderId, string | null, string]>([
    ['deepseek', 'stop', 'stop'],
    ['deepseek', 'length', 'length'],
    ['deepseek', 'content_filter', 'content_filter'],
    ['glm', 'sensitive', 'content_filter'],
    ['glm', 'model_context_window_exceeded', 'length'],
    ['qwen', 'word of tomorrow', 'stop'],
    ['qwen', null, 'stop'],
  ])('%s: %s ends it with %s', (provider, word, shown) => {
    expect(decode(provider, whole({ content: 'Hi' }, word)).answer.finishReason).toBe(shown);
  });

  // Guarantee: an answer that the provider gave up is none, whatever it had said until then.
  it.each<[ProviderId, string, FaultCode]>([
    ['deepseek', 'insufficient_system_resource', 'upstream_overloaded'],
    ['deepseek', 'aborted', 'upstream_error'],
    ['glm', 'network_error', 'upstream_overloaded'],
  ])('%s: %s is %s', (provider, word, code) => {
    expect(codeOf(() => decode(provider, whole({ content: 'Half of' }, word)))).toBe(code);
  });

  it.each<[ProviderId, string]>([
    ['qwen', 'stop'],
    ['minimax', 'tool_call'],
    ['glm', 'tool_calls'],
  ])('%s: calls end it with tool_calls, also where the provider says %s', (provider, word) => {
    const call = { function: { name: 'f', arguments: '{}' } };
    const { answer } = decode(provider, whole({ content: '', tool_calls: [call] }, word));
    expect(answer).toMatchObject({
      toolCalls: [{ id: 'made_0', name: 'f', arguments: '{}' }],
      finishReason: 'tool_calls',
    });
  });

  it('an answer that MiniMax flags as sensitive was filtered', () => {
    const { answer } = decode('minimax', whole({ content: 'Hi' }, 'stop', { output_sensitive: true }));
    expect(answer.finishReason).toBe('content_filter');
  });

  it.each([
    ['what it reports', { usage: USAGE }, { prompt: 9, completion: 2 }],
    ['nothing where it reports nothing', {}, { prompt: 0, completion: 0 }],
  ])('an error about the answer is an answer that was filtered, and costs %s', (_what, more, usage) => {
    const error = { base_resp: { status_code: 1027, status_msg: 'output new_sensitive' }, choices: null };
    const decoded = decode('minimax', { ...error, ...more });
    expect(decoded.answer).toMatchObject({ content: '', finishReason: 'content_filter' });
    expect(decoded.usage).toMatchObject(usage);
  });

  it('keeps usage that cannot be true as it came, marked', () => {
    const raw = { ...USAGE, completion_tokens: -5 };
    const { usage, impossibleUsage } = decode('deepseek', whole({ content: 'Hi' }, 'stop', { usage: raw }));
    expect([usage?.impossible, impossibleUsage]).toEqual([true, raw]);
    expect(decode('deepseek', whole({ content: 'Hi' }, 'stop', { usage: null })).usage).toBeNull();
  });

  it.each([
    [{ choices: [] }],
    [{ choices: null }],
    [{}],
    [{ choices: [{ index: 0 }] }],
    [{ choices: [null] }],
    [[]],
  ])('without a message it is the provider’s failure: %j', (body) => {
    expect(codeOf(() => decode('deepseek', body))).toBe('upstream_error');
  });
});

describe('readAnswerJson', () => {
  it.each<[ProviderId, object | string, FaultCode]>([
    ['deepseek', '\n\n \n', 'upstream_overloaded'],
    ['deepseek', '', 'upstream_overloaded'],
    ['qwen', '<html>502</html>', 'upstream_error'],
    ['qwen', 'null', 'upstream_error'],
    ['qwen', { error: { message: 'slow down', code: 'limit_requests' } }, 'upstream_rate_limited'],
    ['minimax', { choices: null, base_resp: { status_code: 1008, status_msg: 'x' } }, 'upstream_quota'],
    [
      'minimax',
      { choices: null, base_resp: { status_code: 1002, status_msg: 'x' } },
      'upstream_rate_limited',
    ],
    ['minimax', { choices: null, base_resp: { status_code: 1026, status_msg: 'x' } }, 'content_filter'],
  ])('%s: %j is %s', (provider, body, code) => {
    expect(codeOf(() => readAnswerJson(DIALECTS[provider], bytes(body)))).toBe(code);
  });

  it('is what an error about the answer is, too', () => {
    const body = {
      error: { message: 'Output data may contain inappropriate content.', code: 'data_inspection_failed' },
    };
    expect(readAnswerJson(DIALECTS.qwen, bytes(body))).toEqual({ json: body, filtered: true });
  });

  it('is read with numbers that JSON does not have', () => {
    expect(readAnswerJson(DIALECTS.qwen, bytes('{"usage":NaN}')).json).toEqual({ usage: -1 });
  });
});
