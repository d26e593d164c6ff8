import { Fault } from '@tunan/kernel';

/** Fastify's own refusals, in our terms. */
export const frameworkFault = (error: unknown): Fault => {
  if (error instanceof Fault) return error;
  switch ((error as { code?: string }).code) {
    case 'FST_ERR_BAD_URL':
      return new Fault('invalid_value', 'The URL is not valid.');
    default:
      return Fault.from(error);
  }
};
