import { parseUsd } from '@tunan/kernel';
import { member, type Answer, type Differences, type PlatformClient } from './platform-client.js';
import {
  ANSWERS,
  CHAT_PARAMETERS,
  EMBEDDING_MODELS,
  MODEL_MAPPING,
  TEXT_MODELS,
  VISION_MODELS,
} from './seed-facts.js';

const CHAT = '/v1/chat/completions';
/** Small enough to cost next to nothing on the dearest model, large enough for an answer. */
const OUTPUT_TOKENS = 16;
const TOKENS_PER_PRICE = 1_000_000n;

const chatBody = (model: string, more: object = {}) => ({
  model,
  messages: [{ role: 'user', content: 'Say hi.' }],
  max_tokens: OUTPUT_TOKENS,
  ...more,
});

/** A 1 × 1 pixel PNG. */
const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const visionMessages = [
  {
    role: 'user',
    content: [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: PIXEL } },
    ],
  },
];

const amount = (value: unknown): bigint => (Number.isSafeInteger(value) ? BigInt(value as number) : -1n);

/** `usage.cost` as it stands in the text, exactly; undefined if it is not a plain decimal with 1 to 9 places. */
const costIn = (text: string): bigint | undefined => {
  const literal = /^"cost":(\d+\.\d{1,9})[,}]/.exec(text.slice(text.lastIndexOf('"cost":')))?.[1];
  return literal === undefined ? undefined : parseUsd(literal);
};

/** What tokens cost at a documented price: half up to whole nano-dollars. */
const documentedCost = (
  usage: unknown,
  price: { readonly input: string; readonly output: string },
): bigint => {
  const total =
    amount(member(usage, 'prompt_tokens')) * parseUsd(price.input) +
    amount(member(usage, 'completion_tokens') ?? 0) * parseUsd(price.output);
  return (total + TOKENS_PER_PRICE / 2n) / TOKENS_PER_PRICE;
};

/** Calls every model once and sums what the answers say they cost, in nano-dollars. */
export class AnswerProbe {
  /** Sum of all `usage.cost` so far. */
  spent = 0n;

  constructor(
    private readonly client: PlatformClient,
    private readonly found: Differences,
  ) {}

  async run(): Promise<Answer> {
    for (const fact of TEXT_MODELS) await this.#chat(fact.at, fact.id, fact.id, fact);
    for (const fact of VISION_MODELS)
      await this.#chat(fact.at, fact.id, fact.id, fact.ours, { messages: visionMessages });
    for (const { openai, ours, at } of MODEL_MAPPING) {
      const price = TEXT_MODELS.find((fact) => fact.id === ours)!;
      const answer = await this.#chat(at, openai, ours, price);
      this.found.equal(at, `x-tunan-alias of ${openai}`, answer.headers.get('x-tunan-alias'), openai);
    }
    await this.#embeddings();
    await this.#stream();
    return this.#bounds();
  }

  #charge(
    at: string,
    what: string,
    answer: Answer,
    price: { readonly input: string; readonly output: string },
  ): void {
    const cost = costIn(answer.text);
    const usage = member(answer.json, 'usage');
    this.found.equal(at, `cost of ${what}`, cost?.toString(), documentedCost(usage, price).toString());
    this.spent += cost ?? 0n;
  }

  async #chat(
    at: string,
    asked: string,
    id: string,
    price: { readonly input: string; readonly output: string },
    more = {},
  ): Promise<Answer> {
    const answer = await this.client.call({ path: CHAT, body: chatBody(asked, more) });
    const { chat } = ANSWERS;
    this.found.equal(at, `status of a chat with ${asked}`, answer.status, 200);
    if (answer.status !== 200) return answer;
    const missing = (members: readonly string[], value: unknown) =>
      members.filter((name) => member(value, name) === undefined);
    this.found.equal(at, `model of the answer of ${asked}`, member(answer.json, 'model'), id);
    this.found.equal(chat.at, `object of the answer of ${asked}`, member(answer.json, 'object'), chat.object);
    this.found.equal(
      chat.at,
      `members missing in the answer of ${asked}`,
      missing(chat.members, answer.json),
      [],
    );
    this.found.equal(
      chat.at,
      `members missing in its choice`,
      missing(chat.choice, member(answer.json, 'choices', 0)),
      [],
    );
    this.found.equal(
      chat.at,
      `members missing in its usage`,
      missing(chat.usage, member(answer.json, 'usage')),
      [],
    );
    this.found.equal(
      chat.at,
      `role of its message`,
      member(answer.json, 'choices', 0, 'message', 'role'),
      'assistant',
    );
    const answerId = String(member(answer.json, 'id'));
    this.found.holds(
      chat.at,
      `id of the answer of ${asked}`,
      answerId.startsWith(chat.idPrefix),
      answerId,
      `${chat.idPrefix}…`,
    );
    this.#charge(at, `a chat with ${asked}`, answer, price);
    return answer;
  }

  async #embeddings(): Promise<void> {
    for (const { id, dimensions, ours, at } of EMBEDDING_MODELS) {
      const answer = await this.client.call({
        path: '/v1/embeddings',
        body: { model: id, input: 'Hello world', encoding_format: 'float' },
      });
      this.found.equal(at, `status of embeddings with ${id}`, answer.status, 200);
      if (answer.status !== 200) continue;
      const vector = member(answer.json, 'data', 0, 'embedding');
      this.found.equal(at, `dimensions of ${id}`, Array.isArray(vector) ? vector.length : vector, dimensions);
      this.#charge(at, `embeddings with ${id}`, answer, ours);
    }
  }

  async #stream(): Promise<void> {
    const { at, data, last } = ANSWERS.stream;
    const body = chatBody('deepseek-chat', { stream: true, stream_options: { include_usage: true } });
    const answer = await this.client.call({ path: CHAT, body });
    const frames = answer.text.split('\n\n').filter((frame) => frame !== '' && !frame.startsWith(':'));
    this.found.equal(at, 'status of a stream', answer.status, 200);
    this.found.equal(
      at,
      'frames of a stream that are no data',
      frames.filter((frame) => !frame.startsWith(data)),
      [],
    );
    this.found.equal(at, 'last frame of a stream', frames.at(-1), last);
    this.spent += costIn(answer.text) ?? 0n;
  }

  /** Every documented default, then all lower, then all upper bounds at once: all are accepted. */
  async #bounds(): Promise<Answer> {
    const bodyOf = (value: (fact: (typeof CHAT_PARAMETERS)[number]) => unknown) =>
      Object.fromEntries(
        CHAT_PARAMETERS.map((fact) => [fact.name, value(fact)]).filter(([, given]) => given !== undefined),
      );
    const bodies: [string, object][] = [
      ['every default', bodyOf((fact) => (fact.required ? undefined : fact.default))],
      ['every lower bound', bodyOf((fact) => fact.min)],
      ['every upper bound', bodyOf((fact) => (fact.name === 'stop' ? ['a§', 'b§', 'c§', 'd§'] : fact.max))],
    ];
    let answer: Answer | undefined;
    for (const [what, more] of bodies) {
      answer = await this.client.call({ path: CHAT, body: chatBody('deepseek-chat', more) });
      this.found.equal('Chat Completions > Request Body', `status with ${what}`, answer.status, 200);
      this.spent += costIn(answer.text) ?? 0n;
    }
    return answer!;
  }
}
