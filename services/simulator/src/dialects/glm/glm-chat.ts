import type { Ask } from '../../domain/ask.js';
import { imagesOf, type WireMessage } from '../../domain/message.js';
import { countPrompt } from '../../domain/usage.js';
import { BodyReader } from '../body-reader.js';
import { glmRefusal } from './glm-errors.js';
import { GLM_MODELS, type GlmModel } from './glm-models.js';

const ROLES = ['system', 'user', 'assistant', 'tool'];
const OTHER_TOOLS = ['retrieval', 'web_search', 'mcp'];
const EFFORTS = ['max', 'xhigh', 'high', 'medium', 'low', 'minimal', 'none'];
const TOOLS_MAX = 128;
const STOPS_MAX = 4;
const MAX_TOKENS_MAX = 131_072;

const illegal = (name: string, range: string): string =>
  `The ${name} parameter is illegal.：限制数值范围${range}`;

const readModel = (reader: BodyReader): { readonly name: string; readonly model: GlmModel } => {
  const name = reader.text('model') ?? '';
  const model = Object.hasOwn(GLM_MODELS, name) ? GLM_MODELS[name] : undefined;
  if (model === undefined) throw glmRefusal('1211', '模型不存在，请检查模型代码。');
  return { name, model };
};

const checkMessages = (messages: readonly WireMessage[], model: GlmModel): void => {
  if (!messages.some((message) => message.role === 'user'))
    throw glmRefusal('1214', 'messages 参数非法。请检查文档。');
  const images = messages.reduce((sum, message) => sum + imagesOf(message.content), 0);
  if (images > 0 && model.imagesMax === 0) throw glmRefusal('1210', '当前模型不支持图片输入');
  if (images > model.imagesMax) throw glmRefusal('1214', `图片数量超过限制：${model.imagesMax}`);
};

const readThinking = (reader: BodyReader, model: GlmModel): boolean => {
  const type = reader.record('thinking')?.['type'];
  if (type !== undefined && type !== 'enabled' && type !== 'disabled')
    throw glmRefusal('1214', 'thinking.type 参数非法');
  const effort = reader.text('reasoning_effort');
  if (effort !== undefined && !EFFORTS.includes(effort))
    throw glmRefusal('1214', 'reasoning_effort 参数非法');
  if (model.thinking === 'never') return false;
  if (type === 'disabled' && model.thinking === 'always')
    throw glmRefusal('1210', 'thinking.type disabled is not supported by this model');
  return type !== 'disabled' && effort !== 'none';
};

const checkSampling = (reader: BodyReader): void => {
  reader.number('temperature', (value) => value >= 0 && value <= 1, illegal('temperature', '[0,1]'));
  reader.number('top_p', (value) => value >= 0.01 && value <= 1, illegal('top_p', '[0.01,1]'));
  for (const [name, least] of [
    ['request_id', 6],
    ['user_id', 6],
  ] as const) {
    const text = reader.text(name);
    const most = name === 'user_id' ? 128 : 64;
    if (text !== undefined && (text.length < least || text.length > most))
      throw glmRefusal('1214', `${name} 参数非法：长度${least}-${most}`);
  }
  if (typeof reader.body['stop'] === 'string') throw glmRefusal('1214', 'stop 参数非法：必须为数组');
};

const readFormat = (reader: BodyReader, model: GlmModel): Ask['json'] => {
  const type = reader.record('response_format')?.['type'] ?? 'text';
  if (type === 'text') return undefined;
  if (type !== 'json_object' || model.imagesMax > 0) throw glmRefusal('1210', 'response_format 参数非法');
  return { schema: undefined };
};

/**
 * Checks a chat request as GLM does. `max_completion_tokens`, `n`, `seed`, `stream_options` and unknown members are
 * ignored.
 * @throws Refusal
 */
export const readGlmChat = (body: Record<string, unknown>): Ask => {
  const reader = new BodyReader(body, (problem) => glmRefusal('1210', problem));
  const { name, model } = readModel(reader);
  const messages = reader.messages(ROLES, (role) => `messages.role 参数非法：${role}`);
  checkMessages(messages, model);
  checkSampling(reader);
  const thinking = readThinking(reader, model);
  const tools = reader.tools(TOOLS_MAX, OTHER_TOOLS, (tool) =>
    tool === '' ? 'tools.function.name 不能为空' : undefined,
  );
  const choice = reader.toolChoice(tools) ?? 'auto';
  if (choice !== 'auto') throw glmRefusal('1210', 'tool_choice 参数非法：仅支持auto');
  const promptTokens = countPrompt(messages, body['tools']);
  if (promptTokens > model.contextTokens) throw glmRefusal('1261', 'Prompt 超长');
  const maxTokens = reader.integer(
    'max_tokens',
    1,
    MAX_TOKENS_MAX,
    illegal('max_tokens', `[1,${MAX_TOKENS_MAX}]`),
  );
  return {
    model: name,
    stream: reader.boolean('stream') ?? false,
    includeUsage: true,
    thinking,
    reasoningMax: MAX_TOKENS_MAX,
    outputMax: Math.min(maxTokens ?? model.outputTokensMax, model.outputTokensMax),
    answerMax: model.outputTokensMax,
    stop: reader.stop(STOPS_MAX, 'stop 参数非法'),
    tools,
    toolChoice: choice,
    parallelToolCalls: true,
    json: readFormat(reader, model),
    n: 1,
    promptTokens,
    thinkingInContent: false,
  };
};
