import { createHash } from 'node:crypto';
import type { ChatRequest } from '@tunan/contracts';
import { Fault, shownName } from '@tunan/kernel';
import { capabilitiesOf, judgeChat, sentValue, type Capabilities } from '@tunan/llm';
import { unlessStopped, type AnswerCheck } from './answer-check.js';
import type { ChatCall, Dialect } from './dialect.js';
import { planFormat } from './format-plan.js';
import { sentMessages } from './messages.js';
import { offersFunctions } from './offered-tools.js';
import { toolNames, type ToolNames } from './tool-names.js';
import { choiceOf, planTools } from './tool-plan.js';

/** A chat call ready to be sent, and what the provider will not do itself. */
export interface EncodedChat {
  /** The bytes to send: the text of a large prompt would else stay in memory twice until it is answered. */
  readonly body: Buffer;
  /**
   * The answer is asked for as a stream: also where the client wants it whole, if a stop sequence is cut here, because
   * that is the end of the provider's work too, and only a stream can be ended.
   */
  readonly stream: boolean;
  /** Stop sequences that have to be cut here. */
  readonly localStops: readonly string[];
  /** Tool calls that the client may see. */
  readonly toolCallsMax: number;
  readonly toolNames: ToolNames;
  /** What the answer must be. */
  readonly check: AnswerCheck | undefined;
  /** Parameters that are not sent as they were given, as the client reads of them. */
  readonly adapted: string | undefined;
}

/** Parameters that are sent under their own name. */
const SCALARS = [
  'temperature',
  'top_p',
  'presence_penalty',
  'frequency_penalty',
  'seed',
  'logprobs',
  'top_logprobs',
  'reasoning_effort',
] as const;

/**
 * Writes a chat request in a provider's dialect. Does not change `request`: failover encodes it again for another
 * provider. Only what the capability table has as sent is sent.
 * @param rejected why the answer before was not accepted, if this is another try
 * @throws Fault `unsupported_parameter` for what the model refuses; the stages before have mostly seen to that
 */
export const encodeChat = (
  dialect: Dialect,
  request: ChatRequest,
  call: ChatCall,
  rejected?: string,
): EncodedChat => {
  const capabilities = capabilitiesOf({ provider: dialect.id, ...call });
  const adapted = judge(request, capabilities, call.strict);
  const body: Record<string, unknown> = { model: call.upstreamModel, messages: null };
  addScalars(body, dialect, request, call, capabilities);
  const naming = toolNames(request, dialect.reservedToolNames);
  const tools = planTools(request, capabilities, naming);
  const format = planFormat(request, capabilities, tools.check !== undefined);
  const offered = format.answerTool === undefined ? tools.tools : [format.answerTool];
  const choice = format.answerTool === undefined ? tools.choice : choiceOf(format.answerTool.function.name);
  if (offered !== undefined) body['tools'] = offered;
  if (choice !== undefined) body['tool_choice'] = choice;
  const parallel = capabilities.parallel_tool_calls.class === 'honoured';
  // The answer to `functions` has room for one call.
  const single = request.parallel_tool_calls === false || offersFunctions(request);
  // The provider's default is one call at a time, OpenAI's is several.
  if (offered !== undefined && parallel) body['parallel_tool_calls'] = !single;
  if (format.format !== undefined) body['response_format'] = format.format;
  const stops = stopsOf(request);
  const localStops = addStops(body, stops, capabilities);
  body[dialect.ceiling.field(call.upstreamModel)] = Math.min(call.ceiling, dialect.ceiling.max);
  if (call.thinking !== null) Object.assign(body, dialect.thinking(call.thinking));
  Object.assign(body, dialect.extra(body));
  const stream = call.stream || localStops.length > 0;
  body['stream'] = stream;
  if (stream && dialect.asksForUsage) body['stream_options'] = { include_usage: true };
  const instructions = [
    tools.instruct,
    format.instruct,
    rejected === undefined ? undefined : again(rejected),
  ];
  body['messages'] = sentMessages(
    request.messages,
    dialect.messages,
    call.thinking,
    instructions.filter((instruction) => instruction !== undefined),
    naming,
  );
  const check = tools.check ?? format.check;
  return {
    body: Buffer.from(JSON.stringify(body)),
    stream,
    localStops,
    toolCallsMax: single ? 1 : Number.MAX_SAFE_INTEGER,
    toolNames: naming,
    check: check !== undefined && stops.length > 0 ? unlessStopped(check) : check,
    adapted,
  };
};

const again = (problem: string): string =>
  `An earlier answer was not accepted: ${problem}. Answer again, and exactly in the form that is asked for.`;

/** What of the request is adapted. @throws Fault for what is refused */
const judge = (request: ChatRequest, capabilities: Capabilities, strict: boolean): string | undefined => {
  const { refused, adapted, firstAdapted } = judgeChat(capabilities, request);
  const param = refused ?? (strict ? firstAdapted : undefined);
  if (param !== undefined)
    throw new Fault(
      'unsupported_parameter',
      `'${shownName(param)}' is not supported by the model '${request.model}'.`,
      { param },
    );
  return adapted.length === 0 ? undefined : adapted.join(', ');
};

const addScalars = (
  body: Record<string, unknown>,
  dialect: Dialect,
  request: ChatRequest,
  call: ChatCall,
  capabilities: Capabilities,
): void => {
  for (const name of SCALARS) {
    const given = request[name];
    if (given == null) continue;
    const value = sentValue(capabilities[name], given);
    if (value !== undefined) body[name] = value;
  }
  if (request.user != null && dialect.userField !== null)
    body[dialect.userField] = hashedUser(call.accountId, request.user);
};

/** Hashed, so that nothing of a customer's users is told to a vendor, and users of two customers stay apart. */
const hashedUser = (accountId: string, user: string): string =>
  createHash('sha256').update(`${accountId}:${user}`).digest('hex');

const stopsOf = ({ stop }: ChatRequest): readonly string[] =>
  stop == null ? [] : typeof stop === 'string' ? [stop] : stop;

/** Sends as many stop sequences as the provider takes. @returns those that have to be cut here, if it does not take all */
const addStops = (
  body: Record<string, unknown>,
  stops: readonly string[],
  { stop }: Capabilities,
): readonly string[] => {
  const nativeMax = stop.class === 'emulated' ? (stop.nativeMax ?? 0) : Number.MAX_SAFE_INTEGER;
  const sent = stops.slice(0, nativeMax);
  if (sent.length > 0) body['stop'] = sent;
  return stops.length > sent.length ? stops.filter((one) => one !== '') : [];
};
