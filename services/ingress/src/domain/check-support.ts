import type { CatalogIndex, CatalogModel, ChatRequest } from '@tunan/contracts';
import { Fault, shownName } from '@tunan/kernel';
import { capabilitiesOf, checkSchema, judgeChat, SchemaError } from '@tunan/llm';
import { invalidValue } from './parameter-faults.js';

const unsupported = (param: string, message: string): Fault =>
  new Fault('unsupported_parameter', message, { param });

/**
 * Refuses what the model can't do, before anything is admitted or sent: a parameter that none of its channels can
 * honour, a schema that can't be used.
 * @param strict the client wants every parameter sent as it was given
 * @throws Fault 400 with `param` set
 */
export const checkSupport = (
  body: ChatRequest,
  model: CatalogModel,
  catalog: CatalogIndex,
  strict: boolean,
): void => {
  checkParameters(body, model, catalog, strict);
  checkFormat(body.response_format);
};

/** One channel that takes the request as it is suffices: the router leaves the others out. */
const checkParameters = (
  body: ChatRequest,
  model: CatalogModel,
  catalog: CatalogIndex,
  strict: boolean,
): void => {
  let fault: Fault | undefined;
  for (const channel of catalog.channels(model.id)) {
    const { refused, firstAdapted } = judgeChat(capabilitiesOf(channel), body);
    if (refused !== undefined)
      fault ??= unsupported(refused, `'${refused}' is not supported by the model '${model.id}'.`);
    else if (strict && firstAdapted !== undefined)
      fault ??= unsupported(
        firstAdapted,
        `'${shownName(firstAdapted)}' can't be honoured as given by the model '${model.id}'; x-tunan-strict-params asks for that.`,
      );
    else return;
  }
  if (fault !== undefined) throw fault;
};

const checkFormat = (format: ChatRequest['response_format']): void => {
  if (format?.type !== 'json_schema') return;
  const param = 'response_format.json_schema.schema';
  try {
    checkSchema(format.json_schema!['schema'] as Record<string, unknown>);
  } catch (error) {
    if (error instanceof SchemaError) throw invalidValue(param, `'${param}' can't be used. ${error.message}`);
    throw error;
  }
};
