import type { SeededRandom } from './seeded-random.js';

/** One request of a mix: what is asked, and what shall happen to it. */
export interface PlannedRequest {
  readonly nonce: string;
  readonly kind: RequestKind;
  readonly path: '/chat/completions' | '/embeddings';
  readonly body: Readonly<Record<string, unknown>> & { readonly model: string };
  /** Where the client leaves: after so many frames, or while it waits for a first one. */
  readonly leaves?: number | 'waiting';
  /** A behaviour of the simulator for the first call of this request only. */
  readonly first?: Readonly<Record<string, unknown>>;
}

/** How often each kind occurs, in percent. */
export const KINDS = {
  stream: 20,
  unary: 18,
  embeddings: 4,
  'several completions': 6,
  'stream, client leaves': 16,
  'stream, client leaves before content': 5,
  'stream, client leaves, then it fails before content': 2,
  'unary, client leaves': 5,
  'stream, fails after content': 8,
  'fails before content': 8,
  'fails before content, then succeeds': 3,
  'completes, usage is odd': 3,
  'completes, usage is impossible': 2,
} as const;
export type RequestKind = keyof typeof KINDS;

/*
 * Failures open breakers, each of one model, and those refuse whatever else is asked of it. So each group has models of
 * its own. DeepSeek and GLM stop billing when they are cancelled, Qwen and MiniMax do not.
 */
/** Where nothing fails. */
const SOUND_MODELS = ['deepseek-chat', 'qwen3.5-flash', 'glm-4-flash', 'minimax-m2.5'];
/** Where some answers fail, and must get so far. */
const FAILING_MODELS = ['deepseek-reasoner', 'qwen3.7-max', 'qwen-coder-plus', 'glm-4v', 'minimax-m3'];
/** Where requests fail whole, which they also do at a breaker that is open. */
const REFUSING_MODELS = ['qwen3.7-plus', 'glm-4-plus', 'minimax-m2.7'];
const MODELS = [...SOUND_MODELS, ...FAILING_MODELS, ...REFUSING_MODELS];
/** Those that fail whose calls go on when their client leaves. */
const DRAINED_MODELS = FAILING_MODELS.filter((model) => /^(?:qwen|minimax)/.test(model));
const EMBEDDING_MODELS = ['text-embedding-v3', 'embedding-3'];

/** Whether no request to a model is meant to fail. */
export const isSound = (model: string): boolean => [...SOUND_MODELS, ...EMBEDDING_MODELS].includes(model);

const SENTENCES = [
  'The harbour was quiet before the first boats came in.',
  'Nobody had expected that the old engine would start again.',
  'She counted the boxes twice, wrote the number down and closed the book.',
  'A cold wind from the north kept most visitors away from the beach.',
  'He said that prices follow the weather more than they follow the news.',
  'By noon every table in the small restaurant near the station was taken.',
  'The report explains how the figures were collected and who checked them.',
  'Later that year they moved the whole archive into a dry room upstairs.',
];
const CHINESE_SENTENCES = [
  '早上的港口很安静，第一批渔船还没有回来。',
  '没有人想到那台旧机器还能再次启动。',
  '她把箱子数了两遍，记下数字，然后合上了本子。',
  '到了中午，车站旁边的小餐馆已经坐满了人。',
];

/** Prose of about so many sentences. */
const prose = (random: SeededRandom, sentences: readonly string[], count: number): string =>
  Array.from({ length: count }, () => random.pick(sentences)).join(' ');

const directive = (members: Readonly<Record<string, string | number>>): string =>
  `[[sim ${Object.entries(members)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ')}]]`;

/** A failure that the gateway meets before any content of an answer. */
const EARLY_FAULTS = [
  'reset',
  'close',
  'status:500',
  'status:503',
  'html:502',
  'blank',
  'cut:0',
  'whitespace',
];
/** A failure in the middle of an answer, after which the simulator counts nothing as sent; `#` is where. */
const LATE_FAULTS = ['cut:#', 'cut:#:reset', 'cut:#:eof', 'stream_error:#'];

interface Draft {
  readonly directives: Record<string, string | number>;
  readonly models?: readonly string[];
  readonly extra?: Readonly<Record<string, unknown>>;
  readonly leaves?: number | 'waiting';
  readonly first?: Readonly<Record<string, unknown>>;
}

/** Slow enough that a client can leave in the middle. */
const paced = (random: SeededRandom): Record<string, number> => ({
  tokens: random.between(24, 48),
  chunk_delay_ms: random.between(5, 20),
});

const FORM = {
  type: 'json_schema',
  json_schema: { name: 'harbour', schema: { type: 'object', properties: { name: { type: 'string' } } } },
};

const STREAM = { stream: true, stream_options: { include_usage: true } };

const DRAFTS: Readonly<Record<Exclude<RequestKind, 'embeddings'>, (random: SeededRandom) => Draft>> = {
  stream: (random) => ({
    directives: { tokens: random.between(1, 200), chunk_tokens: random.between(1, 5) },
    extra: random.next() < 0.8 ? STREAM : { stream: true },
  }),
  unary: (random) => ({ directives: { tokens: random.between(1, 200) } }),
  'several completions': (random) => ({
    directives: { tokens: random.between(1, 60) },
    extra: { n: random.between(2, 3), ...(random.next() < 0.5 ? STREAM : {}) },
  }),
  'stream, client leaves': (random) => ({
    directives: paced(random),
    extra: STREAM,
    leaves: random.between(1, 20),
  }),
  'stream, client leaves before content': (random) => ({
    directives: {
      tokens: random.between(1, 30),
      [random.pick(['header_delay_ms', 'first_delay_ms'])]: 2_000,
    },
    // An answer in a form is kept until it is judged: its client can leave it only before content.
    extra: random.next() < 0.3 ? { ...STREAM, response_format: FORM } : STREAM,
    leaves: 'waiting',
  }),
  'stream, client leaves, then it fails before content': (random) => ({
    directives: { header_delay_ms: 2_000, fault: random.pick(EARLY_FAULTS) },
    models: DRAINED_MODELS,
    extra: STREAM,
    leaves: 'waiting',
  }),
  'unary, client leaves': (random) => ({
    directives: { tokens: random.between(1, 30), header_delay_ms: 2_000 },
    leaves: 'waiting',
  }),
  'stream, fails after content': (random) => ({
    models: FAILING_MODELS,
    directives: {
      ...paced(random),
      fault: random.pick(LATE_FAULTS).replace('#', String(random.between(1, 20))),
    },
    extra: STREAM,
  }),
  'fails before content': (random) => ({
    models: REFUSING_MODELS,
    directives: { fault: random.pick(EARLY_FAULTS) },
    extra: random.next() < 0.5 ? STREAM : {},
  }),
  'fails before content, then succeeds': (random) => ({
    models: FAILING_MODELS,
    directives: { tokens: random.between(1, 60) },
    extra: random.next() < 0.5 ? STREAM : {},
    first: { fault: random.pick(EARLY_FAULTS) },
  }),
  'completes, usage is odd': (random) => ({
    directives: {
      tokens: random.between(1, 40),
      usage: random.pick(['missing', 'null', 'zero', 'twice']),
    },
    extra: random.next() < 0.5 ? STREAM : {},
  }),
  'completes, usage is impossible': (random) => ({
    directives: {
      tokens: random.between(1, 40),
      usage: random.pick(['negative', 'huge', 'nan', 'float']),
    },
    // With a limit, so that the hold is known.
    extra: { max_tokens: 50, ...(random.next() < 0.5 ? STREAM : {}) },
  }),
};

const plan = (kind: RequestKind, nonce: string, random: SeededRandom): PlannedRequest => {
  if (kind === 'embeddings') {
    // In every text, because a long list becomes several calls.
    const input = Array.from(
      { length: random.between(1, 12) },
      () => `${directive({ nonce })} ${prose(random, SENTENCES, 2)}`,
    );
    return { nonce, kind, path: '/embeddings', body: { model: random.pick(EMBEDDING_MODELS), input } };
  }
  const { directives, models = MODELS, extra = {}, leaves, first } = DRAFTS[kind](random);
  const chinese = random.next() < 0.25;
  const text = chinese
    ? prose(random, CHINESE_SENTENCES, random.between(60, 120))
    : prose(random, SENTENCES, random.between(20, 60));
  const content = `${directive({ nonce, ...directives })} ${text}`;
  const body = { model: random.pick(models), messages: [{ role: 'user', content }], ...extra };
  return {
    nonce,
    kind,
    path: '/chat/completions',
    body,
    ...(leaves === undefined ? {} : { leaves }),
    ...(first === undefined ? {} : { first }),
  };
};

/** A shuffled mix of `count` requests in the shares of {@link KINDS}, which add up to 100. */
export const requestMix = (count: number, random: SeededRandom): PlannedRequest[] => {
  const kinds = Object.entries(KINDS).flatMap(([kind, percent]) =>
    Array.from({ length: Math.round((count * percent) / 100) }, () => kind as RequestKind),
  );
  return random.shuffled(kinds).map((kind, index) => plan(kind, `mix-${index}`, random));
};
