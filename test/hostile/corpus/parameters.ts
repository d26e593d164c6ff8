import {
  bodyCase,
  chatCase,
  EMBEDDINGS,
  invalidJson,
  invalidValue,
  missing,
  request,
  rightChat,
  served,
  type Expected,
  type HostileCase,
} from '../hostile-case.js';

const MIB_TEXT = 'x'.repeat(1024 * 1024);

const without = (row: number, name: keyof typeof rightChat): HostileCase =>
  chatCase(row, `no ${name}`, { [name]: undefined }, missing(name));

const message = (row: number, name: string, value: unknown, param: string): HostileCase =>
  chatCase(row, name, { messages: [value] }, invalidValue(param));

const each = (
  row: number,
  param: string,
  values: readonly unknown[],
  expected: Expected = invalidValue(param),
): HostileCase[] =>
  values.map((value) =>
    chatCase(row, `${param} ${JSON.stringify(value)?.slice(0, 20)}`, { [param]: value }, expected),
  );

const tool = (name: string, parameters: unknown = { type: 'object', properties: {} }) => ({
  type: 'function',
  function: { name, parameters },
});

const schema = (value: unknown) => ({ type: 'json_schema', json_schema: { name: 'x', schema: value } });

const embeddings = (row: number, name: string, input: unknown, param: string): HostileCase =>
  bodyCase(row, name, JSON.stringify({ model: 'text-embedding-v3', input }), invalidValue(param), EMBEDDINGS);

const calls = [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{not json' } }];
const modelNotFound: Expected = { status: 404, code: 'model_not_found', param: 'model' };

/** Members of a request: missing, of another type, out of range, too many. */
export const PARAMETERS: readonly HostileCase[] = [
  without(21, 'model'),
  ...each(21, 'model', ['', 5, [], {}]),
  ...each(21, 'model', ['x'.repeat(10_000), '../x', 'dеepseek-chat', '%00', 'a"\n'], modelNotFound),
  {
    row: 22,
    name: 'a model that the key may not use',
    send: ({ restrictedKey }) => [request({ key: restrictedKey, body: JSON.stringify(rightChat) })],
    expect: [{ status: 403, code: 'model_not_allowed', param: 'model' }],
  },
  without(23, 'messages'),
  ...each(23, 'messages', [[], {}, 'Hi', 5]),
  ...each(24, 'messages', [Array(2_049).fill(rightChat.messages[0])]),
  message(25, 'an unknown role', { role: 'boss', content: 'Hi' }, 'messages[0].role'),
  message(25, 'no role', { content: 'Hi' }, 'messages[0].role'),
  message(25, 'a number as role', { role: 5, content: 'Hi' }, 'messages[0].role'),
  message(25, 'a message that is no object', 'Hi', 'messages[0]'),
  message(26, 'content null of a user', { role: 'user', content: null }, 'messages[0].content'),
  message(26, 'no content parts', { role: 'user', content: [] }, 'messages[0].content'),
  message(
    26,
    'an unknown part',
    { role: 'user', content: [{ type: 'virus' }] },
    'messages[0].content[0].type',
  ),
  message(27, 'a tool result without id', { role: 'tool', content: 'x' }, 'messages[0].tool_call_id'),
  message(
    27,
    'a tool result that answers nothing',
    { role: 'tool', content: 'x', tool_call_id: 'call_9' },
    'messages[0].tool_call_id',
  ),
  chatCase(
    28,
    'arguments of a tool call that are not JSON',
    {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: null, tool_calls: calls },
        { role: 'tool', content: 'x', tool_call_id: 'call_1' },
      ],
    },
    served,
  ),
  ...each(29, 'max_tokens', [0, -1, 1.5, '10', 2 ** 53 + 2, 1_000_000]),
  bodyCase(
    29,
    'max_tokens 1e400',
    '{"model":"deepseek-chat","messages":[{"role":"user","content":"Hi"}],"max_tokens":1e400}',
    invalidValue('max_tokens'),
  ),
  chatCase(30, 'two ceilings', { max_tokens: 7, max_completion_tokens: 3 }, served),
  ...each(31, 'n', [0, -1, 1_000, 1.5, '2']),
  ...each(32, 'temperature', [-1, 3, '0.5', true]),
  bodyCase(32, 'temperature NaN', JSON.stringify(rightChat).replace('{', '{"temperature":NaN,'), invalidJson),
  ...each(33, 'stream', ['true', 1, 'no']),
  chatCase(33, 'stream null', { stream: null }, served),
  ...each(34, 'stream_options', [{ include_usage: true }]),
  ...each(35, 'stop', [['a', 'b', 'c', 'd', 'e'], '', MIB_TEXT, 5, [5]]),
  chatCase(
    36,
    'logit_bias of 1e9',
    { logit_bias: { 50256: 1e9 } },
    {
      status: 400,
      code: 'unsupported_parameter',
      param: 'logit_bias',
    },
  ),
  chatCase(
    36,
    'logit_bias with 100,000 entries',
    { logit_bias: Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [i, 1])) },
    invalidJson,
  ),
  chatCase(37, 'an unknown format', { response_format: { type: 'xml' } }, invalidValue('response_format')),
  ...[
    ['of 1 MiB', schema({ type: 'object', description: MIB_TEXT })],
    ['with a reference elsewhere', schema({ $ref: 'http://169.254.169.254/schema.json' })],
    ['that refers to a file', schema({ type: 'object', properties: { a: { $ref: 'file:///etc/passwd' } } })],
  ].map(([name, format]) =>
    chatCase(
      37,
      `a schema ${name as string}`,
      { response_format: format },
      invalidValue('response_format.json_schema.schema'),
    ),
  ),
  chatCase(37, 'a schema that is itself', { response_format: schema({ $ref: '#' }) }, served),
  chatCase(
    38,
    '129 tools',
    { tools: Array.from({ length: 129 }, (_, index) => tool(`t${index}`)) },
    invalidValue('tools'),
  ),
  chatCase(
    38,
    'two tools of one name',
    { tools: [tool('a'), tool('a')] },
    invalidValue('tools[1].function.name'),
  ),
  chatCase(38, 'a name with spaces', { tools: [tool('a b')] }, invalidValue('tools[0].function.name')),
  chatCase(
    38,
    'parameters as text',
    { tools: [tool('a', '{}')] },
    invalidValue('tools[0].function.parameters'),
  ),
  ...each(39, 'user', [MIB_TEXT, 5]),
  ...each(39, 'metadata', [
    { k: MIB_TEXT },
    Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, 'v'])),
    { k: 5 },
    [],
  ]),
  chatCase(40, 'an unknown member', { frobnicate: true }, served),
  chatCase(
    40,
    'an unknown member that is a header',
    { 'a: b\r\nx-evil: 1': 1, 'ü€': 1 },
    {
      ...served,
      without: ['x-evil'],
    },
  ),
  chatCase(40, 'an unknown member of 1 MiB', { [MIB_TEXT]: 1 }, served),
  chatCase(
    41,
    'a prompt beyond the context',
    { messages: [{ role: 'user', content: 'word '.repeat(2_000_000) }] },
    {
      status: 400,
      code: 'context_length_exceeded',
      param: 'messages',
    },
  ),
  embeddings(45, 'no input', [], 'input'),
  embeddings(45, '3,000 inputs', Array(3_000).fill('x'), 'input'),
  embeddings(45, 'an empty input', ['x', ''], 'input[1]'),
  ...[2 ** 40, -1, 1.5].map((id) => embeddings(45, `token id ${id}`, [[id]], 'input[0][0]')),
  embeddings(45, 'an object as input', {}, 'input'),
];
