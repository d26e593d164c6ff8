/** Requests of every scenario. All arms get the same bytes. The mock is told what to answer by the first message. */

const QUESTION =
  'Our order 18-4471 was billed twice last month, once on the 3rd and once on the 17th. Please check both charges against ' +
  'the delivery note, tell me which of them is right, and write two polite sentences that I can send to the customer.';
const PARAGRAPH =
  'The clerk wrote: "the second charge is a copy of the first", and added three lines about the delivery.\n' +
  'Nobody had asked the carrier; the note of the 17th carries no signature and names another gate.\n';
const PARAGRAPH_CHINESE =
  '客户在三号和十七号各被扣款一次,第二笔没有签收单,我们需要核对运单并说明哪一笔是正确的。\n';

const http = (apiKey, body) => {
  const bytes = Buffer.from(JSON.stringify(body));
  const head =
    'POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n' +
    'content-type: application/json\r\nuser-agent: OpenAI/JS 7.57.0\r\nx-stainless-lang: js\r\n' +
    `x-stainless-retry-count: 0\r\nauthorization: Bearer ${apiKey}\r\ncontent-length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
};

const chat = (apiKey, order, messages, more = {}) =>
  http(apiKey, {
    model: MODELS.deepseek,
    messages: [{ role: 'system', content: `You are a careful assistant. ${order}` }, ...messages],
    temperature: 0.2,
    max_tokens: 512,
    ...more,
  });

const question = [{ role: 'user', content: QUESTION }];

/** A model of each provider that has a channel there, and whose stream is passed through. */
export const MODELS = {
  deepseek: 'deepseek-chat',
  qwen: 'qwen3.7-max',
  glm: 'glm-4-plus',
  minimax: 'minimax-m2.7',
};

/** A small unary request: about 0.5 KB, answered with about 1 KB, or with a text of so many KB. */
export const unary = (apiKey, answerKb) =>
  chat(apiKey, answerKb === undefined ? '{{unary}}' : `{{unary ${answerKb}}}`, question);

/** A stream of `chunks` content chunks, `paceUs` microseconds apart, with the usage chunk at its end. */
export const stream = (apiKey, chunks, paceUs, provider = 'deepseek') =>
  chat(apiKey, `{{stream ${chunks} ${paceUs} ${provider}}}`, question, {
    model: MODELS[provider],
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: Math.max(512, 2 * chunks),
  });

/** A conversation of so many KB in 40 messages, answered with a small unary answer. */
export const prompt = (apiKey, language, kilobytes = 100) => {
  const paragraph = language === 'chinese' ? PARAGRAPH_CHINESE : PARAGRAPH;
  const copies = (kilobytes * 1_000) / 40 / Buffer.byteLength(JSON.stringify(paragraph));
  const text = paragraph.repeat(Math.ceil(copies));
  const messages = Array.from({ length: 40 }, (_, index) => ({
    role: index % 2 === 0 ? 'user' : 'assistant',
    content: text,
  }));
  return chat(apiKey, '{{unary}}', [...messages, ...question]);
};
