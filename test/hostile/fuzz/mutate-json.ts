import fc from 'fast-check';
import { rightChat } from '../hostile-case.js';

const tool = {
  type: 'function',
  function: { name: 'look_up', parameters: { type: 'object', properties: { q: { type: 'string' } } } },
};
const toolCall = { id: 'call_1', type: 'function', function: { name: 'look_up', arguments: '{"q":"x"}' } };
const answerSchema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };

/** Bodies that are right in every member; between them they use every member that the API knows. */
const RIGHT_CHATS: readonly object[] = [
  rightChat,
  { ...rightChat, stream: true, stream_options: { include_usage: true } },
  { ...rightChat, temperature: 0.5, top_p: 0.9, stop: ['a', 'b'], n: 2, seed: 1, user: 'u' },
  { ...rightChat, model: 'qwen3.5-flash', frequency_penalty: 1, presence_penalty: -1, metadata: { k: 'v' } },
  { ...rightChat, model: 'glm-4-flash', tools: [tool], tool_choice: 'auto', parallel_tool_calls: false },
  {
    ...rightChat,
    model: 'gpt-4o-mini',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
      { role: 'assistant', content: null, tool_calls: [toolCall] },
      { role: 'tool', tool_call_id: 'call_1', content: 'x' },
    ],
    tools: [tool],
  },
  {
    ...rightChat,
    max_tokens: 64,
    response_format: { type: 'json_schema', json_schema: { name: 'x', schema: answerSchema } },
  },
  {
    ...rightChat,
    model: 'qwen-vl-plus',
    messages: [
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] },
    ],
  },
];

const RIGHT_EMBEDDINGS: readonly object[] = [
  { model: 'text-embedding-v3', input: 'Hi' },
  { model: 'embedding-3', input: ['a', 'b'], encoding_format: 'base64', dimensions: 2048 },
  { model: 'text-embedding-v3', input: [[1, 2, 3]] },
];

/** Values that have broken parsers, databases, templates and headers. */
const NASTY = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(
    ...[null, true, false, '', 0, -0, -1, 1.5, 1e308, 2 ** 53, -(2 ** 63), [], {}, [[]], [null], { '': '' }],
    ...[
      '\u0000',
      '\ud800',
      '\u2028',
      '"',
      '\\',
      '\r\nx-evil: 1',
      'data: [DONE]\n\n',
      '${7*7}',
      '%s%n',
      '[[sim',
    ],
    ...['__proto__', 'constructor', 'toString', 'null', 'NaN', '1e999', 'x'.repeat(3_000), '💥'.repeat(500)],
    { role: 'user', content: 'Hi' },
    { type: 'image_url', image_url: { url: 'file:///etc/passwd' } },
    { type: 'object', $ref: '#' },
  ),
);

type Json = Record<string, unknown> | unknown[];

/** Every place in a value that can be changed. */
const placesOf = (value: unknown, found: [Json, string][] = []): [Json, string][] => {
  if (typeof value === 'object' && value !== null)
    for (const key of Object.keys(value)) {
      found.push([value as Json, key]);
      placesOf((value as Record<string, unknown>)[key], found);
    }
  return found;
};

const change = fc.record({
  where: fc.nat(),
  how: fc.constantFrom('replace', 'replace', 'replace', 'remove', 'rename', 'repeat', 'wrap'),
  value: NASTY,
  times: fc.integer({ min: 1, max: 80 }),
});
type Change = typeof change extends fc.Arbitrary<infer Value> ? Value : never;

const apply = (root: object, { where, how, value, times }: Change): void => {
  const places = placesOf(root);
  if (places.length === 0) return;
  const [holder, key] = places[where % places.length]! as [Record<string, unknown>, string];
  const old = holder[key];
  // A copy, or a later change would change what other inputs are made of.
  if (how === 'replace') holder[key] = structuredClone(value);
  else if (how === 'remove') delete holder[key];
  else if (how === 'rename') holder[String(value).slice(0, 200)] = old;
  else if (how === 'repeat') holder[key] = Array.from({ length: times }, () => old);
  else for (let level = 0; level < times; level += 1) holder[key] = [holder[key]];
};

/** A body that was right and has up to two changes to its members. */
export const changedBody = fc
  .record({
    base: fc.constantFrom(
      ...RIGHT_CHATS.map((body) => [false, body] as const),
      ...RIGHT_EMBEDDINGS.map((body) => [true, body] as const),
    ),
    changes: fc.array(change, { maxLength: 2 }),
  })
  .map(({ base: [embeddings, right], changes }) => {
    const body = structuredClone(right);
    for (const one of changes) apply(body, one);
    return { embeddings, text: JSON.stringify(body) };
  });
