import type { ChatRequest, Tool } from '@tunan/contracts';
import type { ChatCall, Dialect, ToolChoicePlan } from './dialect.js';
import { sentMessages } from './messages.js';

/** A chat call ready to be sent, and what the provider will not do itself. */
export interface EncodedChat {
  readonly body: string;
  /** Stop sequences that have to be cut here. */
  readonly localStops: readonly string[];
  /** Tool calls that the client may see. */
  readonly toolCallsMax: number;
}

/**
 * Writes a chat request in a provider's dialect. Does not change `request`: failover encodes it again for another
 * provider. Only parameters that the dialect names are sent.
 */
export const encodeChat = (dialect: Dialect, request: ChatRequest, call: ChatCall): EncodedChat => {
  const body: Record<string, unknown> = { model: call.upstreamModel, messages: null };
  const instructions: string[] = [];
  for (const name in dialect.fields) {
    const given = request[name];
    if (given == null) continue;
    const rule = dialect.fields[name]!;
    const value = rule.value(given, call);
    if (value !== undefined) body[rule.as ?? name] = value;
  }
  addTools(body, dialect, request, call, instructions);
  if (request.response_format != null) addFormat(body, dialect, request, call, instructions);
  const stops = request.stop == null ? [] : typeof request.stop === 'string' ? [request.stop] : request.stop;
  const honoured = stops.slice(0, dialect.stopsMax);
  if (honoured.length > 0) body['stop'] = honoured;
  body[dialect.ceiling.field(call.upstreamModel)] = Math.min(call.ceiling, dialect.ceiling.max);
  if (call.thinking !== null) Object.assign(body, dialect.thinking(call.thinking));
  Object.assign(body, dialect.extra(request, call));
  body['stream'] = call.stream;
  if (call.stream && dialect.asksForUsage) body['stream_options'] = { include_usage: true };
  body['messages'] = sentMessages(request.messages, dialect.messages, call.thinking, instructions);
  return {
    body: JSON.stringify(body),
    localStops: stops.length > honoured.length ? stops.filter((stop) => stop !== '') : [],
    toolCallsMax:
      request.parallel_tool_calls === false && !dialect.parallelToolCalls ? 1 : Number.MAX_SAFE_INTEGER,
  };
};

const addTools = (
  body: Record<string, unknown>,
  dialect: Dialect,
  request: ChatRequest,
  call: ChatCall,
  instructions: string[],
): void => {
  const given = request.tools ?? legacyTools(request['functions']);
  if (given == null || given.length === 0) return;
  const choice = request.tool_choice ?? legacyChoice(request['function_call']);
  const names = given.map((tool) => tool.function.name);
  const plan: ToolChoicePlan = choice == null ? {} : dialect.toolChoice(choice, names, call);
  if (plan.instruct !== undefined) instructions.push(plan.instruct);
  if (plan.none === true) return;
  body['tools'] = given
    .filter((tool) => plan.only === undefined || tool.function.name === plan.only)
    .map(sentTool);
  if (plan.send !== undefined) body['tool_choice'] = plan.send;
  // The providers' default is one call at a time, OpenAI's is several.
  if (dialect.parallelToolCalls) body['parallel_tool_calls'] = request.parallel_tool_calls ?? true;
};

/** `strict` is OpenAI's; providers refuse it or take it on other endpoints only. */
const sentTool = (tool: Tool) => {
  const { name, description, parameters } = tool.function;
  return {
    type: 'function',
    function: {
      name,
      ...(description == null ? {} : { description }),
      parameters: parameters ?? { type: 'object', properties: {} },
    },
  };
};

const legacyTools = (functions: unknown): readonly Tool[] | null =>
  Array.isArray(functions)
    ? functions.map((definition: Tool['function']) => ({ type: 'function', function: definition }))
    : null;

const legacyChoice = (choice: unknown): unknown =>
  typeof choice === 'object' && choice !== null ? { type: 'function', function: choice } : choice;

const addFormat = (
  body: Record<string, unknown>,
  dialect: Dialect,
  request: ChatRequest,
  call: ChatCall,
  instructions: string[],
): void => {
  const format = request.response_format!;
  if (format.type !== 'json_object' && format.type !== 'json_schema') return;
  if (dialect.jsonMode(call)) body['response_format'] = { type: 'json_object' };
  const schema = format.json_schema?.['schema'];
  if (format.type === 'json_schema' && schema !== undefined)
    instructions.push(
      `Answer with one JSON value that this JSON schema accepts, and nothing else:\n${JSON.stringify(schema)}`,
    );
  // The providers refuse JSON mode where no message has the word.
  else if (!mentionsJson(request)) instructions.push('Answer in JSON.');
};

const mentionsJson = (request: ChatRequest): boolean =>
  request.messages.some(({ content }) =>
    typeof content === 'string'
      ? /json/i.test(content)
      : content != null && content.some((part) => part.type === 'text' && /json/i.test(part.text)),
  );
