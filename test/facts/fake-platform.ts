import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatUsd, parseUsd } from '@tunan/kernel';
import {
  CHAT_PARAMETERS,
  EMBEDDING_MODELS,
  LIMITS,
  MODEL_MAPPING,
  TEXT_MODELS,
  VISION_MODELS,
} from './seed-facts.js';

/** Ways in which the fake departs from the documentation. */
export interface Flaws {
  /** Dollars per million output tokens charged for qwen3.7-max. */
  readonly chargedOutput?: string;
  readonly listedInput?: string;
  readonly extraModel?: string;
  /** A parameter whose bounds are not checked. */
  readonly unchecked?: string;
  readonly rateLimitHeaders?: false;
  readonly errorParam?: false;
  readonly done?: false;
  readonly dimensions?: number;
  readonly quotaPerUsd?: number;
  readonly aliases?: false;
}

const KEY = 'sk-fake';
const USAGE = { prompt_tokens: 9, completion_tokens: 7, total_tokens: 16 };
const MODELS = [
  ...TEXT_MODELS.map((fact) => ({ ...fact, context: fact.contextTokens })),
  ...VISION_MODELS.map((fact) => ({ ...fact, ...fact.ours, context: fact.contextTokens })),
  ...EMBEDDING_MODELS.map((fact) => ({ ...fact, ...fact.ours, context: 8_192 })),
];

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly param: string | null = null,
  ) {
    super(code);
  }
}

const typeFits = (type: string, value: unknown): boolean => {
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'string/array') return typeof value === 'string' || Array.isArray(value);
  if (type === 'array') return Array.isArray(value);
  return typeof value === type;
};

/** A platform in a hundred lines that does what the documentation says, or errs in one known way. */
export class FakePlatform {
  #spent = 0n;
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly key = KEY;

  constructor(private readonly flaws: Flaws = {}) {}

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const headers: Record<string, string> = { 'x-request-id': 'r-1' };
    try {
      const answer = this.#answer(request, text, headers);
      if (this.flaws.rateLimitHeaders !== false) {
        headers['x-ratelimit-limit'] = String(LIMITS.free.rpm);
        headers['x-ratelimit-remaining'] = '59';
        headers['x-ratelimit-reset'] = String(Math.ceil(Date.now() / 1_000) + 1);
      }
      response.writeHead(200, headers).end(answer);
    } catch (error) {
      const { status, code, param } = error as Refusal;
      if (status === 401) headers['www-authenticate'] = 'Bearer';
      const shown = this.flaws.errorParam === false ? {} : { param };
      response
        .writeHead(status, headers)
        .end(JSON.stringify({ error: { message: code, type: 'invalid_request_error', code, ...shown } }));
    }
  }

  #answer(request: IncomingMessage, text: string, headers: Record<string, string>): string {
    const { authorization } = request.headers;
    if (authorization === undefined) throw new Refusal(401, 'missing_api_key');
    if (authorization !== `Bearer ${KEY}`) throw new Refusal(401, 'invalid_api_key');
    switch (request.url) {
      case '/api/user/self':
        return this.#self();
      case '/v1/models':
        return this.#list();
      case '/v1/chat/completions':
        return this.#chat(this.#body(text), headers);
      case '/v1/embeddings':
        return this.#embed(this.#body(text));
      default:
        throw request.url!.startsWith('/v1/models/')
          ? new Refusal(404, 'model_not_found', 'model')
          : new Refusal(404, 'not_found');
    }
  }

  #self(): string {
    const units = (nano: bigint) =>
      Number((nano * BigInt(this.flaws.quotaPerUsd ?? 500_000)) / 1_000_000_000n);
    const data = {
      group: 'free',
      quota: units(500_000_000n - this.#spent),
      used_quota: units(this.#spent + 1_999n),
    };
    return JSON.stringify({ success: true, message: '', data });
  }

  #list(): string {
    const data = MODELS.map(({ id, provider, context, input, output }) => ({
      id,
      object: 'model',
      created: 1,
      owned_by: provider,
      context_length: context,
      pricing: { input: id === 'glm-4-plus' ? (this.flaws.listedInput ?? input) : input, output },
      backup_channels: id === 'deepseek-chat' ? 1 : 0,
    }));
    if (this.flaws.extraModel !== undefined) data.push({ ...data[0]!, id: this.flaws.extraModel });
    return JSON.stringify({ object: 'list', data });
  }

  #body(text: string): Record<string, unknown> {
    try {
      return JSON.parse(text) as Record<string, unknown>;
    } catch {
      throw new Refusal(400, 'invalid_json');
    }
  }

  #check(body: Record<string, unknown>): void {
    for (const {
      name,
      type,
      required,
      min,
      max = name === 'max_tokens' ? 128_000 : undefined,
    } of CHAT_PARAMETERS) {
      const value = body[name];
      if (required && value === undefined) throw new Refusal(400, 'missing_required_parameter', name);
      if (value === undefined || value === null || name === this.flaws.unchecked) continue;
      const size = Array.isArray(value) ? (name === 'stop' ? value.length : 0) : value;
      const outside =
        typeof size === 'number' && ((min !== undefined && size < min) || (max !== undefined && size > max));
      if (!typeFits(type, value) || outside) throw new Refusal(400, 'invalid_value', name);
    }
  }

  #usage(id: string): object {
    const { input, output } = MODELS.find((model) => model.id === id)!;
    const charged = id === 'qwen3.7-max' ? (this.flaws.chargedOutput ?? output) : output;
    const total =
      BigInt(USAGE.prompt_tokens) * parseUsd(input) + BigInt(USAGE.completion_tokens) * parseUsd(charged);
    const cost = (total + 500_000n) / 1_000_000n;
    this.#spent += cost;
    return { ...USAGE, cost: `#${formatUsd(cost)}#` };
  }

  #chat(body: Record<string, unknown>, headers: Record<string, string>): string {
    this.#check(body);
    const asked = String(body['model']);
    const mapped =
      this.flaws.aliases === false ? undefined : MODEL_MAPPING.find(({ openai }) => openai === asked)?.ours;
    if (mapped !== undefined) headers['x-tunan-alias'] = asked;
    const model = mapped ?? asked;
    if (!MODELS.some(({ id }) => id === model)) throw new Refusal(404, 'model_not_found', 'model');
    const choice = { index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' };
    const answer = {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model,
      choices: [choice],
      usage: this.#usage(model),
    };
    const json = this.#json(answer);
    return body['stream'] === true
      ? `data: ${json}\n\n${this.flaws.done === false ? '' : 'data: [DONE]\n\n'}`
      : json;
  }

  #embed(body: Record<string, unknown>): string {
    for (const name of ['model', 'input']) {
      if (body[name] === undefined) throw new Refusal(400, 'missing_required_parameter', name);
      if (typeof body[name] !== 'string') throw new Refusal(400, 'invalid_value', name);
    }
    const fact = EMBEDDING_MODELS.find(({ id }) => id === body['model'])!;
    const embedding = new Array<number>(this.flaws.dimensions ?? fact.dimensions).fill(0);
    return this.#json({ data: [{ embedding }], usage: this.#usage(fact.id) });
  }

  /** The cost as the number literal that it is on the wire. */
  #json(value: object): string {
    return JSON.stringify(value).replace(/"#([^#]+)#"/g, '$1');
  }
}
