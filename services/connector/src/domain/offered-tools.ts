import type { ChatRequest, Tool } from '@tunan/contracts';

/** True if a request offers `functions`, the form of the time before `tools`, and so expects its answer in that form. */
export const offersFunctions = (request: ChatRequest): boolean => {
  const functions = request['functions'];
  return Array.isArray(functions) && functions.length > 0 && (request.tools ?? []).length === 0;
};

/** The tools that a request offers, in whichever form; empty if none. */
export const offeredTools = (request: ChatRequest): readonly Tool[] =>
  offersFunctions(request)
    ? (request['functions'] as readonly Tool['function'][]).map((definition) => ({
        type: 'function',
        function: definition,
      }))
    : (request.tools ?? []);

/** What a request says about the use of its tools, as `tool_choice` says it. */
export const offeredChoice = (request: ChatRequest): unknown => {
  if (request.tool_choice != null) return request.tool_choice;
  const choice = request['function_call'];
  return typeof choice === 'object' && choice !== null ? { type: 'function', function: choice } : choice;
};
