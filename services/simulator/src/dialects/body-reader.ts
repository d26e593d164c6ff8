import type { Tool, ToolChoice } from '../domain/ask.js';
import type { WireMessage } from '../domain/message.js';
import type { Refusal } from './dialect.js';

type Body = Readonly<Record<string, unknown>>;

/** Makes a dialect's refusal of a parameter. */
export type Refuse = (problem: string) => Refusal;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads members of a request body; null counts as absent. Every method throws the dialect's refusal. */
export class BodyReader {
  constructor(
    readonly body: Body,
    private readonly refuse: Refuse,
  ) {}

  /** A number that passes a check, refused with `problem` otherwise. */
  number(name: string, passes: (value: number) => boolean, problem: string): number | undefined {
    const value = this.#present(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !passes(value)) throw this.refuse(problem);
    return value;
  }

  /** A whole number within bounds, refused with `problem` otherwise. */
  integer(name: string, min: number, max: number, problem: string): number | undefined {
    return this.number(name, (value) => Number.isInteger(value) && value >= min && value <= max, problem);
  }

  boolean(name: string): boolean | undefined {
    const value = this.#present(name);
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.refuse(`${name}: invalid type, expected a boolean`);
  }

  text(name: string): string | undefined {
    const value = this.#present(name);
    if (value === undefined || typeof value === 'string') return value;
    throw this.refuse(`${name}: invalid type, expected a string`);
  }

  record(name: string): Record<string, unknown> | undefined {
    const value = this.#present(name);
    if (value === undefined || isRecord(value)) return value;
    throw this.refuse(`${name}: invalid type, expected an object`);
  }

  /** Messages: at least one, each with one of the roles. `unknownRole` makes the problem's text. */
  messages(
    roles: readonly string[],
    unknownRole: (role: string, index: number) => string,
  ): readonly WireMessage[] {
    const value = this.#present('messages');
    if (!Array.isArray(value) || value.length === 0)
      throw this.refuse('messages: expected a list that is not empty');
    value.forEach((message: unknown, index) => {
      const role = isRecord(message) ? message['role'] : undefined;
      if (typeof role !== 'string' || !roles.includes(role))
        throw this.refuse(unknownRole(String(role), index));
    });
    return value as WireMessage[];
  }

  /** Stop sequences: a text or at most `max` of them. */
  stop(max: number, problem: string): readonly string[] {
    const value = this.#present('stop');
    if (value === undefined) return [];
    if (typeof value === 'string') return [value];
    if (!Array.isArray(value) || value.length > max || value.some((item) => typeof item !== 'string'))
      throw this.refuse(problem);
    return value as string[];
  }

  /** Tools of type function; tools of `otherTypes` pass and are not called. `check` may refuse a tool. */
  tools(
    max: number,
    otherTypes: readonly string[],
    check: (name: string, tool: Record<string, unknown>) => string | undefined,
  ): readonly Tool[] {
    const value = this.#present('tools');
    if (value === undefined) return [];
    if (!Array.isArray(value) || value.length > max) throw this.refuse(`tools: expected at most ${max}`);
    return value.flatMap((item: unknown) => {
      const tool = isRecord(item) ? item : {};
      if (otherTypes.includes(String(tool['type']))) return [];
      if (tool['type'] !== 'function')
        throw this.refuse(`tools: unknown variant \`${String(tool['type'])}\`, expected \`function\``);
      const described = isRecord(tool['function']) ? tool['function'] : {};
      const name = typeof described['name'] === 'string' ? described['name'] : '';
      const problem = check(name, described);
      if (problem !== undefined) throw this.refuse(problem);
      return [{ name, parameters: isRecord(described['parameters']) ? described['parameters'] : {} }];
    });
  }

  /** The choice of a tool, or undefined. A tool that is not there is refused. */
  toolChoice(tools: readonly Tool[]): ToolChoice | undefined {
    const value = this.#present('tool_choice');
    if (value === undefined || value === 'auto' || value === 'none' || value === 'required') return value;
    const named = isRecord(value) && isRecord(value['function']) ? value['function']['name'] : undefined;
    if (typeof named !== 'string' || !tools.some((tool) => tool.name === named))
      throw this.refuse('tool_choice: expected none, auto, required or one of the tools');
    return { name: named };
  }

  #present(name: string): unknown {
    const value = this.body[name];
    return value === null ? undefined : value;
  }
}
