/**
 * What one answer of an arm consists of, read once per scenario: it must say what the mock itself says, word for word.
 * Windows then have so many of its frames and bytes, or they fail: half an answer would flatter whoever gave it.
 */
export class Fidelity {
  #answers = new Map();

  constructor(direct) {
    this.direct = direct;
  }

  /**
   * The frames and bytes of an answer of this arm.
   * @throws Error if it is not the answer of the mock
   */
  async of(arm, scenario) {
    const original = await this.#once(this.direct, scenario);
    const answer = await this.#once(arm, scenario);
    if (answer !== original) check(arm, scenario.name, answer, original);
    return answer;
  }

  async #once(arm, scenario) {
    const name = `${scenario.name} ${arm.name}`;
    if (!this.#answers.has(name)) {
      this.#answers.set(name, await ask(arm, scenario.request(arm)));
      arm.answered?.(1);
      await arm.settled();
    }
    return this.#answers.get(name);
  }
}

const TIMEOUT_MS = 60_000;

/** Sends the bytes of a request as the load generator does, and reads what comes. */
const ask = async ({ port }, request) => {
  const [head, body] = request.toString().split('\r\n\r\n');
  const lines = head.split('\r\n').slice(1);
  const headers = lines
    .map((line) => line.split(': '))
    .filter(([name]) => !['host', 'content-length'].includes(name));
  const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    headers,
    body,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`a sample was answered with ${answer.status}: ${text}`);
  const frames = text.split('\n').filter((line) => line.startsWith('data: '));
  return {
    text,
    bytes: Buffer.byteLength(text),
    frames: frames.length,
    ...(frames.length === 0 ? wholeAnswer(text) : streamed(frames.map((line) => line.slice(6)))),
  };
};

const wholeAnswer = (text) => {
  const { choices, usage } = JSON.parse(text);
  return { contents: choices.map(({ message }) => message.content), usage, complete: true };
};

/** `contents`: what each frame adds, without those that add nothing. */
const streamed = (frames) => {
  const chunks = frames.filter((frame) => frame !== '[DONE]').map((frame) => JSON.parse(frame));
  return {
    contents: chunks.map(({ choices }) => choices?.[0]?.delta.content).filter(Boolean),
    usage: chunks.at(-1).usage,
    complete: frames.at(-1) === '[DONE]',
  };
};

const TOKENS = ['prompt_tokens', 'completion_tokens', 'total_tokens'];
const tokensOf = ({ usage }) => TOKENS.map((name) => usage?.[name]).join(' ');

const check = (arm, scenario, answer, original) => {
  const wrong = (what) => new Error(`${scenario}: ${what} of ${arm.name} is not that of the mock`);
  if (arm.passesThrough) {
    if (answer.text !== original.text) throw wrong('the body');
    return;
  }
  if (JSON.stringify(answer.contents) !== JSON.stringify(original.contents)) throw wrong('the content');
  if (tokensOf(answer) !== tokensOf(original)) throw wrong('the usage');
  if (!answer.complete) throw wrong('the end');
};
