import type { ChatRequest, Tool } from '@tunan/contracts';
import type { Capabilities } from '@tunan/llm';
import { callOf, type AnswerCheck } from './answer-check.js';
import { offeredChoice, offeredTools } from './offered-tools.js';
import type { ToolNames } from './tool-names.js';

/** How the tools of a request are offered, and what the gateway does of what the provider can't. */
export interface ToolPlan {
  /** Undefined offers none. */
  readonly tools?: readonly SentTool[];
  /** Value of `tool_choice`; undefined leaves it out: every provider's default is `auto`. */
  readonly choice?: unknown;
  /** Said to the model in words. */
  readonly instruct?: string;
  /** Wherever a function has to be called, also where the provider is told so. */
  readonly check?: AnswerCheck;
}

/** A tool as it is sent. */
export interface SentTool {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description?: string;
    readonly parameters: Readonly<Record<string, unknown>>;
  };
}

const NO_TOOLS: ToolPlan = {};

/** The plan for a request's tools. Checks judge answers that have the client's names, all else is told to the provider. */
export const planTools = (request: ChatRequest, capabilities: Capabilities, naming: ToolNames): ToolPlan => {
  const given = offeredTools(request);
  if (given.length === 0) return NO_TOOLS;
  const choice = offeredChoice(request);
  const tools = given.map((tool) => sentTool(tool, naming));
  if (choice == null || choice === 'auto') return { tools };
  if (choice === 'none')
    return capabilities['tool_choice=none'].class === 'honoured' ? { tools, choice } : NO_TOOLS;
  const names = given.map((tool) => tool.function.name);
  const named = namedFunction(choice) ?? (names.length === 1 ? names[0] : undefined);
  return named === undefined
    ? requireAny(tools, names, capabilities)
    : force(tools, named, naming.sent(named), choice, capabilities);
};

const requireAny = (
  tools: readonly SentTool[],
  names: readonly string[],
  capabilities: Capabilities,
): ToolPlan => ({
  tools,
  ...(capabilities['tool_choice=required'].class === 'honoured'
    ? { choice: 'required' }
    : {
        instruct: `You must answer by calling one of these functions: ${tools.map((tool) => tool.function.name).join(', ')}.`,
      }),
  check: callOf(names),
});

/** One function and no other: by its name where the provider takes one, else by offering nothing else. */
const force = (
  tools: readonly SentTool[],
  name: string,
  sent: string,
  choice: unknown,
  capabilities: Capabilities,
): ToolPlan => {
  const check = callOf([name]);
  if (choice === 'required' && capabilities['tool_choice=required'].class === 'honoured')
    return { tools, choice, check };
  if (capabilities['tool_choice=function'].class === 'honoured')
    return { tools, choice: choiceOf(sent), check };
  return {
    tools: tools.filter((tool) => tool.function.name === sent),
    instruct: `You must answer by calling the function ${sent}.`,
    check,
  };
};

/** The `tool_choice` that names a function. */
export const choiceOf = (name: string): unknown => ({ type: 'function', function: { name } });

/** The function that a `tool_choice` names. */
const namedFunction = (choice: unknown): string | undefined => {
  const name = (choice as { readonly function?: { readonly name?: unknown } } | null)?.function?.name;
  return typeof name === 'string' ? name : undefined;
};

/** OpenAI takes both for a function without parameters; MiniMax refuses one that has none in so many words. */
const NO_PARAMETERS = { type: 'object', properties: {} };

/** `strict` is OpenAI's; providers refuse it or take it on other endpoints only. */
const sentTool = (tool: Tool, naming: ToolNames): SentTool => {
  const { name, description, parameters } = tool.function;
  return {
    type: 'function',
    function: {
      name: naming.sent(name),
      ...(description == null ? {} : { description }),
      parameters: parameters == null || Object.keys(parameters).length === 0 ? NO_PARAMETERS : parameters,
    },
  };
};
