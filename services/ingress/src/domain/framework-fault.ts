import { Fault } from '@tunan/kernel';

/** Fastify's own refusals, in our terms. */
export const frameworkFault = (error: unknown): Fault => {
  if (error instanceof Fault) return error;
  switch ((error as { code?: string }).code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Fault('request_too_large', 'The request body is too large.');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_EMPTY_TYPE':
      return new Fault('unsupported_media_type', 'Send the request body as Content-Type: application/json.');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new Fault(
        'invalid_value',
        'The request body does not have the length that Content-Length says.',
      );
    case 'FST_ERR_BAD_URL':
      return new Fault('invalid_value', 'The URL is not valid.');
    case 'ECONNRESET':
      return new Fault('client_closed', 'The client went away.');
    default:
      return Fault.from(error);
  }
};
