import type { CatalogIndex, CatalogModel, ChatRequest } from '@tunan/contracts';
import { invalidValue } from './parameter-faults.js';

/** What a parameter asks for: thinking or none of it; undefined if it leaves that open. */
type Wish = boolean | undefined;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What `thinking.type` may be. */
export const THINKING_TYPES: Readonly<Record<string, Wish>> = {
  enabled: true,
  disabled: false,
  auto: undefined,
  adaptive: undefined,
};

const thinkingWish = (value: unknown): Wish => {
  if (typeof value === 'boolean') return value;
  const type = isObject(value) ? value['type'] : undefined;
  if (typeof type === 'string' && Object.hasOwn(THINKING_TYPES, type)) return THINKING_TYPES[type];
  throw invalidValue('thinking', '\'thinking\' must be {"type": "enabled"} or {"type": "disabled"}.');
};

const enableThinkingWish = (value: unknown): Wish => {
  if (typeof value === 'boolean') return value;
  throw invalidValue('enable_thinking', "'enable_thinking' must be true or false.");
};

const budgetWish = (value: unknown): Wish => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value > 0;
  throw invalidValue('thinking_budget', "'thinking_budget' must be an integer of at least 0.");
};

/** `minimal` asks a thinking model for little, which is no wish for another model. */
const effortWish = (value: unknown): Wish =>
  value === 'none' ? false : value === 'minimal' ? undefined : true;

/** The parameters by which vendors and OpenAI switch thinking. Their types are checked here; effort has a rule. */
const WISHES: Readonly<Record<string, (value: unknown) => Wish>> = {
  thinking: thinkingWish,
  enable_thinking: enableThinkingWish,
  thinking_budget: budgetWish,
  reasoning_effort: effortWish,
};

/** Members under which clients and other servers nest them. */
const NESTS = ['extra_body', 'chat_template_kwargs'];

/**
 * Thinking belongs to the model id, because the price does: a parameter that asks a model for the other mode is
 * refused, and the refusal names the model to use.
 * @throws Fault `invalid_value` with `param`
 */
export const checkThinking = (body: ChatRequest, model: CatalogModel, catalog: CatalogIndex): void => {
  checkMembers(body, '', model, catalog);
  for (const nest of NESTS) {
    const members = body[nest];
    if (isObject(members)) checkMembers(members, `${nest}.`, model, catalog);
  }
};

const checkMembers = (
  members: Readonly<Record<string, unknown>>,
  path: string,
  model: CatalogModel,
  catalog: CatalogIndex,
): void => {
  for (const name in WISHES) {
    const value = members[name];
    if (value == null) continue;
    const wish = WISHES[name]!(value);
    if (wish === undefined || model.thinking === 'switchable' || wish === (model.thinking === 'always'))
      continue;
    const other = modelThatThinks(wish, model, catalog);
    throw invalidValue(
      path + name,
      `'${path}${name}' asks the model '${model.id}' ${wish ? 'to think, which it never does' : 'not to think, which it always does'}.` +
        (other === undefined ? '' : ` Use the model '${other}' instead.`),
    );
  }
};

/** A model of the other mode: one that sees images if this one does, of the same provider if it has one. */
const modelThatThinks = (thinks: boolean, model: CatalogModel, catalog: CatalogIndex): string | undefined => {
  const sees = model.capabilities.includes('vision');
  const candidates = catalog.catalog.models.filter(
    (candidate) => candidate.kind === 'chat' && candidate.thinking !== (thinks ? 'never' : 'always'),
  );
  const alike = candidates.filter(({ capabilities }) => capabilities.includes('vision') === sees);
  const [first, ...rest] = alike.length > 0 ? alike : candidates;
  return [first, ...rest].find((candidate) => candidate?.ownedBy === model.ownedBy)?.id ?? first?.id;
};
