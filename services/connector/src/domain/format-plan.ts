import type { ChatRequest } from '@tunan/contracts';
import type { Capabilities } from '@tunan/llm';
import { contentFromCall, jsonContent, type AnswerCheck } from './answer-check.js';
import { canBeObject } from './object-root.js';
import { offeredTools } from './offered-tools.js';
import type { SentTool } from './tool-plan.js';

/** How `response_format` reaches the model, and what the gateway does of what the provider can't. */
export interface FormatPlan {
  /** Value of `response_format`; undefined leaves it out. */
  readonly format?: unknown;
  /** A function that has to be called, and whose arguments are the answer. */
  readonly answerTool?: SentTool;
  /** Said to the model in words. */
  readonly instruct?: string;
  /** Also of what the provider does itself: its JSON mode writes nothing at times. */
  readonly check?: AnswerCheck;
}

const TEXT: FormatPlan = {};
const JSON_OBJECT = { type: 'json_object' };
const ANSWER_IN_JSON = 'Answer in JSON.';
const ANSWER_TOOL = 'answer';

/** The plan for a request's format. @param forced a tool has to be called, so there will be no content */
export const planFormat = (request: ChatRequest, capabilities: Capabilities, forced: boolean): FormatPlan => {
  const format = request.response_format;
  if (format?.type === 'json_object') return planJson(request, capabilities);
  return format?.type === 'json_schema' && !forced ? planSchema(request, capabilities) : TEXT;
};

const planJson = (request: ChatRequest, capabilities: Capabilities): FormatPlan => {
  // The providers refuse JSON mode where no message has the word.
  const words = mentionsJson(request) ? {} : { instruct: ANSWER_IN_JSON };
  const check = jsonContent(undefined);
  return capabilities['response_format=json_object'].class === 'honoured'
    ? { format: JSON_OBJECT, ...words, check }
    : { instruct: 'Answer with one JSON object and nothing else, without a code block.', check };
};

/**
 * A schema natively where the provider has them; else as the parameters of a function that has to be called; else in
 * words. Beside tools of the client's own a forced function would keep the model from calling those.
 */
const planSchema = (request: ChatRequest, capabilities: Capabilities): FormatPlan => {
  const { json_schema: described } = request.response_format!;
  const schema = described!['schema'] as Readonly<Record<string, unknown>>;
  if (capabilities['response_format=json_schema'].class === 'honoured')
    return { format: { type: 'json_schema', json_schema: described }, check: jsonContent(schema) };
  const ownTools = offeredTools(request).length > 0;
  if (!ownTools && schema['type'] === 'object' && capabilities['tool_choice=function'].class === 'honoured')
    return { answerTool: answerTool(described!, schema), check: contentFromCall(schema) };
  return {
    ...(capabilities['response_format=json_object'].class === 'honoured' && canBeObject(schema)
      ? { format: JSON_OBJECT }
      : {}),
    instruct: `Answer with one JSON value that this JSON schema accepts, and nothing else:\n${JSON.stringify(schema)}`,
    check: jsonContent(schema),
  };
};

const answerTool = (
  described: Readonly<Record<string, unknown>>,
  parameters: Readonly<Record<string, unknown>>,
): SentTool => {
  const { name, description } = described;
  const about = [name, description].filter((text) => typeof text === 'string' && text !== '').join(': ');
  return {
    type: 'function',
    function: {
      name: ANSWER_TOOL,
      description: `Takes the answer${about === '' ? '' : `, ${about}`}.`,
      parameters,
    },
  };
};

const mentionsJson = (request: ChatRequest): boolean =>
  request.messages.some(({ content }) =>
    typeof content === 'string'
      ? /json/i.test(content)
      : content != null && content.some((part) => part.type === 'text' && /json/i.test(part.text)),
  );
