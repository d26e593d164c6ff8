import { Fault } from '@tunan/kernel';

/** APIs of OpenAI and others that we do not have, and what their users can do. */
const NOT_BUILT: Readonly<Record<string, string>> = {
  '/v1/responses': 'The Responses API is not available here.',
  '/v1/messages': 'The Messages API is not available here.',
  '/v1/completions': 'The legacy Completions API is not available here.',
};

const USE_CHAT =
  'Use POST /v1/chat/completions instead. In the Vercel AI SDK choose it with openai.chat(modelId), in LangChain ' +
  "with useResponsesApi: false (Python: use_responses_api=False), in the OpenAI Agents SDK with setOpenAIAPI('chat_completions').";

/** The 404 for a path that nothing answers; for an API that we do not have it says what to use. */
export const unknownPath = (method: string, path: string): Fault => {
  const api = Object.keys(NOT_BUILT).find((prefix) => path === prefix || path.startsWith(`${prefix}/`));
  const why = api === undefined ? '' : `. ${NOT_BUILT[api]} ${USE_CHAT}`;
  return new Fault('not_found', `Invalid URL (${method} ${path})${why}`);
};
