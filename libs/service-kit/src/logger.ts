import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';

export type Logger = PinoLogger;

/** Members that are never written, wherever they stand in a log record. */
export const REDACTED_PATHS = [
  'authorization',
  'apiKey',
  'api_key',
  'password',
  'token',
  'cookie',
  'prompt',
  'messages',
].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/**
 * JSON lines on standard output, one per event, buffered. Prompts and keys are never handed to a logger; the
 * redaction is the second line of defence.
 */
export const createLogger = (level: string, destination?: DestinationStream): Logger => {
  const options = { level, base: null, redact: { paths: REDACTED_PATHS, censor: '[redacted]' } };
  return destination === undefined ? pino(options) : pino(options, destination);
};
