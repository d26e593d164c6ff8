import { Fault } from '@tunan/kernel';

/** A parameter whose value is not what it must be. */
export const invalidValue = (param: string, message: string): Fault =>
  new Fault('invalid_value', message, { param });

/** A parameter that has to be there. */
export const missing = (param: string): Fault =>
  new Fault('missing_required_parameter', `Missing required parameter: '${param}'.`, { param });

/** A parameter, or a value of one, that would change the answer's shape or meaning and is not to be had. */
export const unsupported = (param: string, message: string): Fault =>
  new Fault('unsupported_parameter', message, { param });
