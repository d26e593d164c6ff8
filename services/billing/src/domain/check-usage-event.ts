import { USAGE_EVENT_TYPE, type UsageEvent } from '@tunan/contracts';

type Check = (value: unknown) => boolean;

/*
 * The schema of usage events once more, for events in memory: checking every event with the contract's own schema would
 * cost more than everything else that a delivery does with it. A property test holds this table to that schema.
 */

const text =
  (lengthMax: number, lengthMin = 0): Check =>
  (value) =>
    typeof value === 'string' && value.length >= lengthMin && value.length <= lengthMax;
const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value);
const whole =
  (min: number): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= min;
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const members = (checks: Readonly<Record<string, Check>>): Check => {
  const entries = Object.entries(checks);
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    for (const [name, check] of entries) if (!check((value as Record<string, unknown>)[name])) return false;
    return true;
  };
};

const id = text(128, 1);
const count = whole(0);
const flag: Check = (value) => typeof value === 'boolean';
const flagName = text(32);
const NANO_LIMIT = 10n ** 30n;
const nano: Check = (value) => typeof value === 'bigint' && value < NANO_LIMIT && value > -NANO_LIMIT;

const DATA: readonly (readonly [keyof UsageEvent['data'], Check])[] = Object.entries({
  requestId: id,
  accountId: id,
  keyId: id,
  kind: oneOf('final', 'lost'),
  outcome: oneOf('completed', 'failed', 'aborted', 'cut', 'lost'),
  operation: oneOf('chat', 'embeddings'),
  stream: flag,
  model: id,
  provider: orNull(id),
  upstreamModel: orNull(id),
  channel: orNull(id),
  attempts: count,
  fallback: flag,
  completions: whole(1),
  usage: members({ prompt: count, cachedPrompt: count, completion: count, reasoning: count }),
  catalogVersion: count,
  price: members({ input: nano, cachedInput: nano, output: nano }),
  cost: nano,
  flags: (value) => Array.isArray(value) && value.every(flagName),
  means: (value) => value === undefined || members({ hold: nano, reach: orNull(nano) })(value),
} satisfies Record<keyof UsageEvent['data'], Check>) as [keyof UsageEvent['data'], Check][];

const ENVELOPE: readonly (readonly [string, Check])[] = Object.entries({
  specversion: oneOf('1.0'),
  id,
  source: text(128),
  type: oneOf(USAGE_EVENT_TYPE),
  subject: id,
  time: text(32),
  traceparent: (value) => value === undefined || text(64)(value),
} satisfies Record<Exclude<keyof UsageEvent, 'data'>, Check>);

/** The first member that the contract does not allow, or undefined if the value is a usage event. */
export const findInvalidMember = (event: unknown): string | undefined => {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) return 'event';
  const { data } = event as { data?: unknown };
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return 'data';
  for (const [name, check] of ENVELOPE) if (!check((event as Record<string, unknown>)[name])) return name;
  for (const [name, check] of DATA)
    if (!check((data as Record<string, unknown>)[name])) return `data.${name}`;
  return undefined;
};
